"""Writes the dashboards: `python -m deploy.grafana`."""

import json
from pathlib import Path
from typing import Any

from deploy.grafana.panels import Panel, dashboard, figure

FOLDER = Path(__file__).with_name("dashboards")
_RATE = "$__rate_interval"


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate(sftp_connector_{metric}{where}[{_RATE}]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate(sftp_connector_{metric}_bucket[{_RATE}]))"
    return f"histogram_quantile({share}, {buckets})"


def _spread(title: str, metric: str, about: str) -> Panel:
    """The half and the slowest twentieth of a histogram."""
    return Panel(title, ((_quantile(0.5, metric), "half"), (_quantile(0.95, metric), "95 %")), about, "s")


_FIRING = 'ALERTS{alertstate="firing", team="sftp-connector"}'
_ENDED_BADLY = '{outcome=~"failed|held"}'
OVERVIEW = (
    figure("Fresh", "sftp_connector:connectors_fresh:ratio", "Looked at within twice its interval.", "percentunit"),
    figure("Late", "sftp_connector:connectors_late:ratio", "Neither fresh, nor is its admin told why.", "percentunit"),
    figure("Oldest due", "max(sftp_connector_oldest_due_seconds)", "How long a due connector waits.", "s"),
    figure("Outbox", "max(sftp_connector_outbox_oldest_seconds)", "Age of the oldest message owed.", "s"),
    figure("Slow imports", "sftp_connector:syncs_slow:ratio1h", "Longer than 5 minutes, in an hour.", "percentunit"),
    figure("Dead letters", "sum(max by (queue) (sftp_connector_dead_letters))", "Parked messages."),
    Panel(
        "Active connectors",
        (("max by (freshness) (sftp_connector_active_connectors)", "{{freshness}}"),),
        "Late ones are ours, failing ones the customers'.",
    ),
    Panel("Runs that ended", ((_rate("runs_total", "outcome"), "{{outcome}}"),), "By outcome, a second.", "ops"),
    Panel("Looks at files", ((_rate("looks_total", "verdict"), "{{verdict}}"),), "By verdict, a second.", "ops"),
    _spread("From change to leads", "sync_seconds", "From a run queued to its leads committed."),
    Panel(
        "Open runs",
        (("max by (stage) (sftp_connector_open_runs)", "{{stage}}"),),
        "Waiting for room, for a fetcher, for an importer.",
    ),
    Panel(
        "Queues",
        (("max by (queue) (sftp_connector_queue_messages)", "{{queue}}"),),
        "Messages that wait; add what takes them.",
    ),
    Panel("Rows", ((_rate("rows_total", "result"), "{{result}}"),), "What became of records, a second.", "ops"),
    Panel("Download", (("sum(rate(sftp_connector_fetched_bytes_total[$__rate_interval]))", "bytes"),), "", "Bps"),
    Panel(
        "Failures, by code",
        ((f"topk(5, {_rate('runs_total', 'code', _ENDED_BADLY)})", "{{code}}"),),
        "The five most frequent, a second.",
        "ops",
    ),
    Panel(
        "Alerts",
        ((f"sum by (alertname, severity) ({_FIRING})", "{{alertname}} ({{severity}})"),),
        "What fires now; docs/runbook.md says what to do.",
        width=24,
        rare=True,
    ),
)

_JOB = '{job=~"$job"}'
SERVICES = (
    Panel("Instances", (('sum by (job) (up{job=~"$job"})', "{{job}}"),), "That Prometheus reaches."),
    Panel(
        "What they need",
        ((f"min by (job, dependency) (sftp_connector_dependency_up{_JOB})", "{{job}}: {{dependency}}"),),
        "1: every instance is answered; 0: one or more is not.",
    ),
    Panel(
        "Loops that fail",
        ((f"max by (job, loop) (sftp_connector_loop_failures{_JOB})", "{{job}}: {{loop}}"),),
        "Failures in a row.",
    ),
    Panel("Jobs", ((_rate("jobs_total", "queue, result", _JOB), "{{queue}} {{result}}"),), "A second.", "ops"),
    Panel(
        "Wait in queues, 95 %",
        ((_quantile(0.95, "message_wait_seconds", "queue"), "{{queue}}"),),
        "From a job published to a worker taking it.",
        "s",
    ),
    Panel(
        "Consumers",
        (("max by (queue) (sftp_connector_queue_consumers)", "{{queue}}"),),
        "Processes that take from a queue; 0 is an outage.",
    ),
    _spread("Scheduler: to a fetcher", "queue_to_start_seconds", "From a run queued to a fetcher taking it."),
    Panel("Scheduler: relay", ((_rate("relayed_total", "kind"), "{{kind}}"),), "Messages published, a second.", "ops"),
    Panel(
        "Scheduler: age of figures",
        (("time() - max by (figures) (sftp_connector_measured_timestamp_seconds)", "{{figures}}"),),
        "When they stand still, believe none.",
        "s",
    ),
    _spread("Fetcher: looks", "fetch_seconds", "Download included."),
    Panel("Fetcher: sessions", (("sum(sftp_connector_open_sessions)", "open"),), "At customers' servers, now."),
    _spread("Fetcher: connection tests", "connection_test_seconds", "An admin waits for it."),
    _spread("Importer: imports", "import_seconds", "From the claim to the end."),
    Panel(
        "Importer: rows that changed",
        ((_quantile(0.5, "delta_ratio"), "half of the imports"),),
        "Share of an import's rows that changed a lead.",
        "percentunit",
    ),
    Panel(
        "Importer: blobs",
        (("max by (kind) (sftp_connector_blob_bytes)", "{{kind}}"), ("sftp_connector:blob_budget_bytes", "budget")),
        "In the store, at the last sweep.",
        "bytes",
    ),
    Panel("Sent again", ((_rate("resent_total", "stage"), "{{stage}}"),), "Runs that lost their worker.", "ops"),
    Panel("Too late", ((_rate("stale_total", "kind"), "{{kind}}"),), "Answers and writes that changed nothing.", "ops"),
    Panel(
        "Dead letters",
        (("max by (queue) (sftp_connector_dead_letters)", "{{queue}}"),),
        "By the queue that they were meant for.",
    ),
    Panel(
        "Versions",
        (("count by (job, version, python) (sftp_connector_build_info)", "{{job}} {{version}}, Python {{python}}"),),
        "More than one for long: an update stopped half way.",
    ),
    Panel(
        "Schema",
        (("max(sftp_connector_schema_migrations)", "has"), ("max(sftp_connector_schema_migrations_known)", "known")),
        "Migrations.",
    ),
    Panel(
        "Oldest removal",
        (("max(sftp_connector_oldest_removal_seconds)", "age"),),
        "Of an organisation that was deleted.",
        "s",
    ),
)

_FAILED = '{verdict="failed", code=~"$code"}'
CODES = (
    Panel(
        "Looks that fail",
        ((_rate("looks_total", "code", _FAILED), "{{code}}"),),
        "One code for many customers at once is ours.",
        "ops",
        width=12,
    ),
    Panel(
        "Share of all looks, in 15 minutes",
        (
            (
                'sum by (code) (sftp_connector:looks:increase15m{verdict="failed", code=~"$code"})'
                " / on () group_left () (sum(sftp_connector:looks:increase15m) > 0)",
                "{{code}}",
            ),
        ),
        "Above 30 % with ten looks or more, OneCodeEverywhere fires.",
        "percentunit",
        width=12,
    ),
    Panel(
        "Runs that failed",
        ((_rate("runs_total", "code", '{outcome="failed", code=~"$code"}'), "{{code}}"),),
        "By code, a second.",
        "ops",
    ),
    Panel(
        "Imports that failed or are held",
        ((_rate("imports_total", "outcome, code", '{outcome=~"failed|held", code=~"$code"}'), "{{outcome}} {{code}}"),),
        "What is wrong with files.",
        "ops",
        rare=True,
    ),
    Panel(
        "Connectors that we paused",
        ((_rate("pauses_total", "code", '{code=~"$code"}'), "{{code}}"),),
        "After failing for too long.",
        "ops",
        rare=True,
    ),
    Panel(
        "Connection tests",
        ((_rate("connection_tests_total", "result"), "{{result}}"),),
        "By result, a second.",
        "ops",
    ),
    Panel(
        "UI events",
        ((_rate("ui_events_total", "result"), "{{result}}"),),
        "What became of them; other than done: the refusal's code.",
        "ops",
    ),
    Panel(
        "Changed host keys",
        (("sum(increase(sftp_connector_host_key_changes_total[$__rate_interval]))", "looks"),),
        "Many at once: somebody may sit between us and the servers.",
    ),
    Panel(
        "Connectors, by state",
        (("max by (state) (sftp_connector_connectors)", "{{state}}"),),
        "auto_paused: those that failed for too long.",
    ),
)

DASHBOARDS: dict[str, dict[str, Any]] = {
    "overview": dashboard("sftp-overview", "SFTP connector", "Is all well, and where is it not?", OVERVIEW),
    "services": dashboard("sftp-services", "SFTP connector: services", "Each service's work.", SERVICES, ("job",)),
    "codes": dashboard("sftp-codes", "SFTP connector: failures", "What fails, by code.", CODES, ("code",)),
}


def text(name: str) -> str:
    """A dashboard's file."""
    return json.dumps(DASHBOARDS[name], indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text(name))
