"""The list of metrics: complete, bounded, told on its page, and all that is ever counted."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from deploy import metrics_page
from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from services.scheduler.settings import Settings as SchedulerSettings
from shared import VERSION, blobs
from shared.metric_kinds import Declared, Label, Many, One, Spec
from shared.metrics import ALL, Metrics

ROOT = Path(__file__).parents[3]
SPECS = Metrics.declared()
BY_NAME = {spec.full_name: spec for spec in SPECS}
SOURCES = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
NAMED_IN = [
    path
    for pattern in ("*.md", "docs/*.md", "deploy/**/*.py", "services/**/*.py", "shared/**/*.py", "tests/**/*.py")
    for path in ROOT.glob(pattern)
    if path != Path(__file__)
]
_NAME = re.compile(r"\bsftp_connector_\w+")
_SERIES = re.compile(r"_(bucket|count|sum)$")
# The roles of the services, and the events, begin with the same words.
_NO_METRICS = re.compile(r"sftp_connector_(scheduler|importer|operator|fetcher)\b")


@pytest.fixture(params=SPECS, ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> Spec[Any]:
    found: Spec[Any] = request.param
    return found


def test_the_page_is_up_to_date() -> None:
    assert metrics_page.PATH.read_text() == metrics_page.table(), "run: python -m deploy.metrics_page"


def test_no_two_metrics_have_one_name() -> None:
    assert len(BY_NAME) == len(SPECS)


def test_a_metric_says_what_it_is_and_what_to_do(spec: Spec[Any]) -> None:
    for text in (spec.meaning, spec.advice):
        assert len(text.split()) >= 3
        assert text.endswith(".")
        assert "|" not in text, "it would end a cell of the page"


def test_every_label_has_few_values_that_are_known_before(spec: Spec[Any]) -> None:
    for label in spec.labels:
        assert 1 <= len(label.values) <= 100
        assert len(set(label.values)) == len(label.values)
        assert not re.search(r"org(anisation)?(_id)?$|connector|host|server|path|user|run", label.name)


def test_it_is_served_by_a_service(spec: Spec[Any]) -> None:
    assert spec.services
    assert set(spec.services) <= set(ALL)


def test_a_name_follows_the_conventions(spec: Spec[Any]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", spec.name)
    assert not spec.name.endswith("_total"), "counters get it by themselves"
    assert spec.name.endswith(spec.unit)
    assert ("seconds" in spec.name) == (spec.unit == "seconds")


def test_advice_names_metrics_and_settings_that_there_are(spec: Spec[Any]) -> None:
    short = {known.removeprefix("sftp_connector_") for known in BY_NAME}
    settings = {name for each in (SchedulerSettings, FetcherSettings, ImporterSettings) for name in each.model_fields}
    values = {value for known in SPECS for label in known.labels for value in label.values}
    events = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', "".join(path.read_text() for path in SOURCES)))
    others = {"consumer_timeout", "python -m shared.migrate"}
    named = set(re.findall(r"`([^`]+)`", spec.advice))
    assert named - short - settings - values - events - others == set()


def attributes_of_metrics(path: Path) -> Iterator[str]:
    """What a file takes from `metrics` or `self._metrics`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            holder = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if holder in {"metrics", "_metrics"}:
                yield node.attr


def test_the_code_counts_what_is_on_the_list_and_all_of_it() -> None:
    listed = {name for name, found in vars(Metrics).items() if isinstance(found, Spec)}
    used = {name for path in SOURCES for name in attributes_of_metrics(path)}
    # `build` is set by the list itself, through `self`.
    assert used - {"registry", "made", "service", "py"} <= listed
    assert listed - used == {"build"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_makes_metrics_beside_the_list(path: Path) -> None:
    taken = {
        name.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for name in node.names
    }
    assert path.name in {"metrics.py", "metric_kinds.py"} or taken <= {"CollectorRegistry", "make_wsgi_app"}


@pytest.mark.parametrize("path", NAMED_IN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_metric_that_a_file_names_is_on_the_list(path: Path) -> None:
    named = {name for name in _NAME.findall(path.read_text()) if not _NO_METRICS.match(name)}
    known = {name for found in SPECS for name in (found.full_name, f"sftp_connector_{found.name}")}
    assert {name for name in named if name not in known and _SERIES.sub("", name) not in known} <= {"sftp_connector_"}


def test_a_service_serves_its_own_metrics_alone() -> None:
    served = {service: Metrics(CollectorRegistry(), service).registry for service in ALL}
    for service, registry in served.items():
        names = {found.name for found in registry.collect()}
        assert names == {f"sftp_connector_{found.name}" for found in SPECS if service in found.services}


def test_a_value_that_is_not_on_the_list_is_other(metrics: Metrics) -> None:
    metrics.ui_events.labels("sftp_connector.create", "done").inc()
    for number in range(1000):
        metrics.ui_events.labels(f"made.up.{number}", "admin_only").inc()

    (family,) = [found for found in metrics.registry.collect() if found.name == "sftp_connector_ui_events"]
    told = {(sample.labels["type"], sample.value) for sample in family.samples if sample.name.endswith("_total")}
    assert told == {("sftp_connector.create", 1), ("other", 1000)}


def test_a_counter_with_few_series_begins_with_all_of_them(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert value("sftp_connector_resent_total", {"stage": "fetching"}) == 0
    assert value("sftp_connector_runs_total", {"outcome": "failed", "code": "gave_up"}) is None


def test_the_labels_come_with_every_series(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="zip"):
        metrics.looks.labels("changed")


def test_what_runs_is_told(metrics: Metrics) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    (family,) = [found for found in metrics.registry.collect() if found.name == "sftp_connector_build_info"]
    (sample,) = family.samples
    assert sample.labels["version"] == VERSION
    assert re.fullmatch(r"3\.\d+\.\d+", sample.labels["python"])


def test_every_loop_is_a_value() -> None:
    loops = set(re.findall(r'\bLoop\("(\w+)"', "".join(path.read_text() for path in SOURCES)))
    assert loops == set(Metrics.loop_failures.labels[0].values)


def test_every_kind_of_blob_is_a_value() -> None:
    assert Metrics.blob_bytes.labels[0].values == blobs.KINDS


def test_a_family_that_forgets_tells_nothing() -> None:
    class Two(Declared):
        ages = Many(Gauge, "ages_seconds", ALL, "Ages.", "Wait.", (Label("quantile", ("0.5",)),))
        rises = One(Counter, "rises", ALL, "Rises.", "Wait.")

    two = Two(CollectorRegistry())
    two.ages.labels("0.5").set(3)
    two.rises.inc()
    two.ages.forget()

    assert two.registry.get_sample_value("sftp_connector_ages_seconds", {"quantile": "0.5"}) is None
    assert two.registry.get_sample_value("sftp_connector_rises_total") == 1
