"""The dashboards are those of the code, and each panel shows something while the system works."""

import json
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.__main__ import DASHBOARDS, FOLDER, text
from shared.metrics import Metrics
from tests.monitoring.watched import Watched

_VARIABLES = {"$__rate_interval": "30s", "$job": ".*", "$code": ".*"}
RULES = Path(__file__).parents[2] / "deploy" / "prometheus"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_as_the_code_writes_it(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text(name), "run `python -m deploy.grafana`"


def test_no_other_dashboard_lies_there() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == DASHBOARDS.keys()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap(name: str) -> None:
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in DASHBOARDS[name]["panels"])
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_every_metric_that_is_asked_for_exists() -> None:
    served = {spec.full_name + end for spec in Metrics.declared() for end in ("", "_bucket", "_count", "_sum")}
    written = "".join(path.read_text() for path in (*FOLDER.iterdir(), RULES / "rules.yml", RULES / "alerts.yml"))

    asked = set(re.findall(r"\bsftp_connector_\w+", written)) - _GROUPS
    assert asked <= served
    recorded = set(re.findall(r"record: (\S+)", written))
    assert set(re.findall(r"\bsftp_connector:[\w:]+", written)) == recorded


_GROUPS = {f"sftp_connector_{name}" for name in ("work", "parts", "promises", "fresh", "quick")}


def panels() -> list[dict[str, Any]]:
    """Those of all dashboards."""
    return [panel for name in DASHBOARDS for panel in json.loads(text(name))["panels"]]


def values(watched: Watched, expression: str, since: float) -> list[float]:
    """What the expression told since then, but for divisions of nothing by nothing."""
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    assert watched.prometheus is not None
    assert "$" not in expression
    found = watched.prometheus.query_range(expression, since, time.time() + 2, 1)
    numbers = [float(value) for series in found for _, value in series["values"]]
    return [number for number in numbers if not math.isnan(number)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_panel_shows_what_a_working_system_does(watched: Watched) -> None:
    # Given
    begun = time.time()
    watched.start()

    # When
    watched.load(rows=6000, seconds=40)

    # Then
    empty = [
        f"{panel['title']}: {target['expr']}"
        for panel in panels()
        for target in panel["targets"]
        if not values(watched, target["expr"], begun) and "noValue" not in panel["fieldConfig"]["defaults"]
    ]
    assert empty == [], "\n".join(empty)
