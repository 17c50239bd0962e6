"""Draws the overview as the README shows it: `python -m tests.monitoring.picture`, from figures.json beside this file.

`--measure` takes these figures anew, from a private stack under load: two minutes.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from deploy.grafana.__main__ import OVERVIEW
from deploy.local.stack import Servers, Stack
from deploy.local.ui import UI
from tests.monitoring.svg import picture
from tests.monitoring.watched import SETTINGS, Watched
from tests.pipeline.world import World

FIGURES = Path(__file__).with_name("figures.json")
PICTURE = Path(__file__).parents[2] / "docs" / "dashboard.svg"
_STEP = 2


def measured(home: Path, seconds: float) -> dict[str, Any]:
    """What each query of the overview told of a stack under load: series by legend, one value each two seconds."""
    with Servers(home / "servers", {"crm": "crm"}) as servers:
        stack = Stack(servers, home, "picture", settings=dict(SETTINGS))
        stack.prepare()
        db: psycopg.Connection[dict[str, Any]]
        with (
            UI(stack.amqp_url, uuid4()) as ui,
            psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as db,
        ):
            watched = Watched(World(stack, ui, db, servers.sshd, "crm"))
            try:
                watched.start()
                begun = time.time()
                watched.load(rows=20_000, seconds=seconds)
                return _told(watched, begun)
            finally:
                watched.stop()


def _told(watched: Watched, begun: float) -> dict[str, Any]:
    prometheus = watched.prometheus
    assert prometheus is not None
    told: dict[str, Any] = {}
    for panel in OVERVIEW:
        series = told.setdefault(panel.title, {})
        for expression, legend in panel.queries:
            asked = expression.replace("$__rate_interval", "20s")
            for found in prometheus.query_range(asked, begun, time.time(), _STEP):
                name = legend
                for label, value in found["metric"].items():
                    name = name.replace("{{" + label + "}}", value)
                series[name] = [[round(at - begun), _short(value)] for at, value in found["values"]]
    return told


def _short(value: str) -> float | None:
    number = float(value)
    return None if math.isnan(number) else float(f"{number:.4g}")


def main() -> None:
    """Measure if asked to, and draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring.picture", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="take the figures anew")
    parser.add_argument("--seconds", type=float, default=120.0, help="for how long")
    arguments = parser.parse_args()
    if arguments.measure:
        with tempfile.TemporaryDirectory() as home:
            FIGURES.write_text(json.dumps(measured(Path(home), arguments.seconds), separators=(",", ":")) + "\n")
    PICTURE.write_text(picture(OVERVIEW, json.loads(FIGURES.read_text())))
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
