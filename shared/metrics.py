"""Every metric of the three services. No label has unbounded values: organisations and connectors are never labels."""

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared import VERSION
from shared.bus.events import UI_QUEUE
from shared.contracts import JOBS, UI_EVENTS, RowCounts
from shared.errors import CODES
from shared.metric_kinds import Declared, Label, Many, One

SCHEDULER, FETCHER, IMPORTER = ("scheduler",), ("fetcher",), ("importer",)
ALL = SCHEDULER + FETCHER + IMPORTER

QUEUES = tuple(dict.fromkeys(queue for job in JOBS for queue in (job.queue, *job.other_queues)))

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_LONG = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600)
_SHARES = (0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)

_A_CODE = "a code of [codes.md](codes.md)"
_CODE = Label("code", ("", *CODES), f"{_A_CODE}; empty where all went well")
_OUTCOME = Label("outcome", ("succeeded", "unchanged", "held", "failed"))
_QUEUE = Label("queue", (*QUEUES, UI_QUEUE))
_JOB_QUEUE = Label("queue", QUEUES)
_KIND_OF_BLOB = Label("kind", ("org", "rejects", "fingerprints", "preview", "incoming"))
_STAGE = Label("stage", ("waiting", "queued", "fetching", "stored", "importing"))


class Metrics(Declared):
    """The metrics, each with what it means and what to do about it, on one registry."""

    oldest_due = One(
        Gauge,
        "oldest_due_seconds",
        SCHEDULER,
        "How long the due connector that has waited longest for a run has waited.",
        "Rises with all that holds looks up. See `open_runs` first: with many that are queued, add fetchers; with few,"
        " see that a scheduler runs and `loop_failures` of `tick` is 0; else one organisation or server has more"
        " connectors than may be looked at at once (`max_per_organisation`, `max_per_server`).",
    )
    active_connectors = Many(
        Gauge,
        "active_connectors",
        SCHEDULER,
        "Active connectors: fresh had a success within twice their interval, or have their file fetched or imported,"
        " for six hours at most; failing had none and their admins were told a code; late had none and nobody knows"
        " why.",
        "`late` is ours: see `oldest_due_seconds`, `open_runs` and `lease_overdue_seconds`. `failing` is the"
        " customers', unless it jumps for many at once: then see which code does in `runs_total`.",
        (Label("freshness", ("fresh", "failing", "late")),),
    )
    success_age = Many(
        Gauge,
        "success_age_seconds",
        SCHEDULER,
        "Age of the last success of active connectors, by quantile.",
        "0.5 rises when we are slow for all, 0.99 alone when some customers' servers fail: see `active_connectors`.",
        (Label("quantile", ("0.5", "0.9", "0.99")),),
    )
    oldest_success = One(
        Gauge,
        "oldest_success_seconds",
        SCHEDULER,
        "Age of the last success of the active connector that has gone without longest.",
        "One customer's trouble, mostly. After a week of failures a connector is paused and leaves this figure.",
    )
    connectors = Many(
        Gauge,
        "connectors",
        SCHEDULER,
        "Connectors, by state; auto_paused are those that failed for too long.",
        "A fall of `active` with a rise of `auto_paused`: see `pauses_total` for the code that they have in common.",
        (Label("state", ("active", "paused", "auto_paused")),),
    )
    sync_seconds = One(
        Histogram,
        "sync_seconds",
        IMPORTER,
        "From a run queued to its leads committed, of imports that succeeded.",
        "Compare its parts: `queue_to_start_seconds`, `fetch_seconds`, `message_wait_seconds` of the import queues and"
        " `import_seconds`; help the longest.",
        buckets=_LONG,
    )

    runs = Many(
        Counter,
        "runs",
        SCHEDULER + IMPORTER,
        "Runs that ended, but for cancelled ones. Fetchers' answers are counted by schedulers, imports by importers.",
        "Add up both services. `failed` with one code for many customers at once is ours, or a cloud's. `gave_up` means"
        " that something kills workers: look for `run.gave_up` in the log, and at what the workers logged last.",
        (_OUTCOME, _CODE),
    )
    open_runs = Many(
        Gauge,
        "open_runs",
        SCHEDULER,
        "Runs that are not done, by stage.",
        "`waiting`: no room at servers, nothing to do. `queued`: add fetchers. `stored`: add importers, unless few"
        " organisations have them all, whose imports come one after the other.",
        (_STAGE,),
    )
    oldest_open_run = Many(
        Gauge,
        "oldest_open_run_seconds",
        SCHEDULER,
        "How long ago the oldest run that is not done was queued, by its stage; 0 where there is none. Runs that await"
        " their organisation's turn do not count.",
        "Hours in one stage mean that a run is stuck: see `lease_overdue_seconds`; a large file may take its time.",
        (_STAGE,),
    )
    queue_to_start = One(
        Histogram,
        "queue_to_start_seconds",
        SCHEDULER,
        "From a run queued, or asked for, to a fetcher taking it.",
        "Add fetchers when `queue_messages` of `sftp.fetch` grows too; otherwise runs wait for room at servers, or for"
        " the relay: see `outbox_oldest_seconds`.",
        buckets=_SECONDS,
    )
    pauses = Many(
        Counter,
        "pauses",
        SCHEDULER,
        "Connectors that were paused because they failed for too long, by their last code.",
        "Some are normal, their admins were warned. Many at once with one code: ask whether that is our network's or"
        " address's fault before the customers do.",
        (_CODE,),
    )
    host_key_changes = One(
        Counter,
        "host_key_changes",
        SCHEDULER,
        "Looks that a server met with another host key than the accepted one.",
        "A connector is paused at its first one, until its admin accepts the new key. Many servers at once: somebody"
        " sits between us and them. Stop the fetchers and find out.",
    )

    looks = Many(
        Counter,
        "looks",
        FETCHER,
        "Looks at a file, by verdict.",
        "`failed` with `dns_failed`, `connect_timeout` or `connection_refused` for many: see the fetchers' way out."
        " No look at all, with due connectors: see `queue_consumers` of `sftp.fetch`.",
        (Label("verdict", ("changed", "unchanged", "not_settled", "failed")), _CODE),
    )
    fetch_seconds = One(
        Histogram,
        "fetch_seconds",
        FETCHER,
        "Duration of a look, download included.",
        "Slow servers or large files; with both as they were, see the fetchers' network and the blob store.",
        buckets=_SECONDS,
    )
    fetched_bytes = One(
        Counter,
        "fetched_bytes",
        FETCHER,
        "Bytes of files that were downloaded.",
        "A jump: customers changed many files, or a server tells a new time for the same file at each look: compare"
        " with `looks_total` by verdict.",
    )
    open_sessions = One(
        Gauge,
        "open_sessions",
        FETCHER,
        "Looks and tests that are under way at customers' servers.",
        "At `fetch_threads` of each fetcher with a queue that grows: add fetchers. Flat at some number without looks"
        " that end: see `fetch_seconds`; a hanging server is left after `fetch_seconds` of the settings.",
    )
    tests = Many(
        Counter,
        "connection_tests",
        FETCHER,
        "Connection tests, by result.",
        "Typing errors of admins, mostly. `timed_out` for many: see the fetchers' way out.",
        (Label("result", ("ok", *CODES), f"`ok`, or {_A_CODE}"),),
    )
    test_seconds = One(
        Histogram,
        "connection_test_seconds",
        FETCHER,
        "Duration of a connection test.",
        "An admin waits for it. Slow for all: see name service and network of the fetchers.",
        buckets=_SECONDS,
    )
    unanswered_tests = One(
        Counter,
        "unanswered_tests",
        SCHEDULER,
        "Connection tests that no fetcher answered in time.",
        "See `queue_messages` and `queue_consumers` of `sftp.test`: fetchers are away or too few.",
    )

    imports = Many(
        Counter,
        "imports",
        IMPORTER,
        "Imports that ended.",
        "`failed` says by its code what is wrong with files; `held` with `mapping_needed` waits for an admin.",
        (_OUTCOME, _CODE),
    )
    import_seconds = One(
        Histogram,
        "import_seconds",
        IMPORTER,
        "Duration of an import.",
        "Larger files, a slower PostgreSQL, or files that are merged whole: see `delta_ratio`.",
        buckets=_SECONDS,
    )
    rows = Many(
        Counter,
        "rows",
        IMPORTER,
        "Records of imported files, by what became of them; missing are those that a file has no more.",
        "A rising share of `rejected`: an export changed its form; the run's rejects say how. Many `missing`: an export"
        " was cut short.",
        (Label("result", tuple(RowCounts.model_fields)),),
    )
    delta_ratio = One(
        Histogram,
        "delta_ratio",
        IMPORTER,
        "Rows that changed a lead, created or updated, of the rows that were read, for each import.",
        "Near 1 for files that are not new: an export rewrites every row, such as with a time of export in a mapped"
        " column.",
        buckets=_SHARES,
    )
    oldest_import = One(
        Gauge,
        "oldest_import_seconds",
        SCHEDULER,
        "How long ago the import that goes on longest was claimed; 0 when there is none.",
        "Much longer than the largest file takes: see PostgreSQL's locks and the importer's log for that run. An"
        " importer that is stopped hands its run on.",
    )
    stale = Many(
        Counter,
        "stale",
        SCHEDULER + IMPORTER,
        "Answers and writes that came too late and changed nothing; import are writes of an importer that had"
        " lost its run.",
        "Harmless each. Many: messages are handed out twice (`consumer_timeout` of RabbitMQ too short) or leases end"
        " too early (importers without processor time, or a slow PostgreSQL).",
        (Label("kind", ("fetch_report", "test_report", "import_request", "import", "removal")),),
    )

    outbox = One(
        Gauge,
        "outbox_messages",
        SCHEDULER,
        "Messages that wait in the outbox.",
        "Nothing is lost. RabbitMQ is away or blocks publishers (memory or disk alarm), or no scheduler runs.",
    )
    outbox_oldest = One(
        Gauge,
        "outbox_oldest_seconds",
        SCHEDULER,
        "Age of the message that has waited longest in the outbox: how far the relay is behind.",
        "See `dependency_up` of `broker` and `loop_failures` of `relay`; if both are good, a session of a scheduler"
        " that is gone may hold the relay's lock: see pg_locks.",
    )
    relayed = Many(
        Counter,
        "relayed",
        SCHEDULER,
        "Messages published from the outbox.",
        "Falls to nothing while `outbox_messages` grows: see there.",
        (Label("kind", ("job", "event")),),
    )
    resent = Many(
        Counter,
        "resent",
        SCHEDULER,
        "Messages sent again because a lease ran out.",
        "Fetchers (`fetching`) or importers (`importing`) die or hang: see their restarts, memory and logs.",
        (Label("stage", ("fetching", "importing")),),
    )
    lease_overdue = One(
        Gauge,
        "lease_overdue_seconds",
        SCHEDULER,
        "How long the lease of an open run is over; runs that await room or their turn do not count.",
        "Above a minute the sweep does not do its work: see `loop_failures` of `sweep`, and `outbox_oldest_seconds`.",
    )
    queue_messages = Many(
        Gauge,
        "queue_messages",
        SCHEDULER,
        "Messages that wait in a queue, not those that a worker has in hand.",
        "`sftp.fetch` and `sftp.test`: add fetchers. `sftp.import`, `sftp.import.large` and `sftp.preview`: add"
        " importers. `sftp.reports` and UI events: add schedulers.",
        (_QUEUE,),
    )
    queue_consumers = Many(
        Gauge,
        "queue_consumers",
        SCHEDULER,
        "Processes that take messages from a queue.",
        "0 is an outage of what the queue is for: start the service that takes it. Importers with"
        " `large_import_threads` 0 take no `sftp.import.large`.",
        (_QUEUE,),
    )
    dead_letters = Many(
        Gauge,
        "dead_letters",
        SCHEDULER,
        "Messages that were given up, by the queue that they were meant for. They stay until somebody removes them.",
        "A fault of ours, or a message that is not ours. Look for `job.refused`, `job.failed`, `job.not_understood` or"
        " `ui_events.parked` in the logs. Runs come to no harm: the sweep sends them again.",
        (_QUEUE,),
    )
    message_wait = Many(
        Histogram,
        "message_wait_seconds",
        ALL,
        "From a job published to a worker taking it, first deliveries alone; by the clocks of two machines.",
        "As for `queue_messages`. Below 0 counts as 0: set the machines' clocks.",
        (_JOB_QUEUE,),
        buckets=_SECONDS,
    )
    jobs = Many(
        Counter,
        "jobs",
        ALL,
        "Jobs that were taken: done; delayed, because something was away; failed, by a fault, and tried a few times"
        " more; refused, because they cannot be understood.",
        "`delayed`: see `dependency_up`. `failed`: a fault of ours, the log line `job.failed` has its frames."
        " `refused`: an older service got a newer message; update it.",
        (_JOB_QUEUE, Label("result", ("done", "delayed", "failed", "refused"))),
    )
    ui_events = Many(
        Counter,
        "ui_events",
        SCHEDULER,
        "Events taken from the UI, by what became of them.",
        "Refusals were told to the admin. Many `invalid_fields`: the UI sends what this version does not know.",
        (
            Label("type", tuple(UI_EVENTS), "the types of UI events, see [asyncapi.yaml](asyncapi.yaml)"),
            Label("result", ("done", *CODES), f"`done`, or {_A_CODE}"),
        ),
    )
    oldest_removal = One(
        Gauge,
        "oldest_removal_seconds",
        SCHEDULER,
        "For how long an organisation that was deleted has not been removed; 0 when none is.",
        "Above an hour: see `queue_consumers` and `dead_letters` of `sftp.removal`, and the blob store.",
    )

    blob_bytes = Many(
        Gauge,
        "blob_bytes",
        IMPORTER,
        "Bytes in the blob store, by kind, at the last sweep of this importer; whichever is free sweeps, once an hour.",
        "Grows with the files' sizes and `kept_versions`. If it only grows, nothing is swept: see `loop_failures` of"
        " `garbage`. An importer that swept long ago may still tell more than there is, and one that never did tells"
        " nothing.",
        (_KIND_OF_BLOB,),
    )
    blobs_dropped = Many(
        Counter,
        "blobs_dropped",
        IMPORTER,
        "Blobs removed because nobody needs them.",
        "Many `incoming`: fetchers are killed during downloads.",
        (_KIND_OF_BLOB,),
    )
    unusable_blobs = One(
        Counter,
        "unusable_blobs",
        IMPORTER,
        "Files that the blob store had lost, or whose bytes had changed; they are fetched again.",
        "Any is a fault of the store, or somebody removes blobs by hand.",
    )

    dependency_up = Many(
        Gauge,
        "dependency_up",
        ALL,
        "Whether it answers, as of the last 15 seconds: 1 or 0. ui_events: whether UI events are being taken.",
        "0 from one process: its network or login. From all: the dependency. Nothing is lost; work goes on by itself.",
        (Label("dependency", ("database", "broker", "blobs", "scratch", "ui_events")),),
    )
    loop_failures = Many(
        Gauge,
        "loop_failures",
        ALL,
        "How often in a row the step of a loop has failed; 0 when the last one was good.",
        "Some while something is away. Otherwise a fault: the log line `loop.failed` names it.",
        (
            Label(
                "loop",
                ("tick", "sweep", "measure", "count", "queues", "relay", "leases", "garbage", "heartbeat", "watch"),
            ),
        ),
    )
    measured = Many(
        Gauge,
        "measured_timestamp_seconds",
        SCHEDULER,
        "When the figures from the tables (each 5 s), of connectors (each minute) and of queues (each 15 s) were taken"
        " last, in seconds since 1970; the start of the process where they never were.",
        "When it stands still see `dependency_up`. After five minutes those figures are told no more.",
        (Label("figures", ("tables", "connectors", "queues")),),
    )
    migrations = One(
        Gauge,
        "schema_migrations",
        SCHEDULER,
        "Migrations that the database has.",
        "Fewer than `schema_migrations_known`: run `python -m shared.migrate`, which comes before each update.",
    )
    migrations_known = One(
        Gauge,
        "schema_migrations_known",
        SCHEDULER,
        "Migrations that this scheduler's code has.",
        "Fewer than `schema_migrations`: an update is under way, or this process was forgotten in one.",
    )
    build = Many(
        Gauge,
        "build_info",
        ALL,
        "Always 1; the labels tell what runs.",
        "More than one version for long: an update stopped half way.",
        (
            Label("version", (VERSION,), "the one of the process"),
            Label("python", (platform.python_version(),), "the one of the process"),
        ),
    )

    def __init__(self, registry: CollectorRegistry, service: str = "") -> None:
        super().__init__(registry, service)
        self.build.labels(VERSION, platform.python_version()).set(1)
