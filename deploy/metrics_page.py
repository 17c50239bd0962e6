"""Writes docs/metrics.md from shared.metrics: `python -m deploy.metrics_page`."""

from pathlib import Path
from typing import Any

from shared.metric_kinds import OTHER, Label, Spec
from shared.metrics import Metrics

PATH = Path(__file__).parents[1] / "docs" / "metrics.md"
_INTRODUCTION = f"""# Metrics

Each service serves these at `/metrics`, for Prometheus; `python -m deploy.metrics_page` makes this page from the code.

* No label names an organisation, a connector, a server or a file: the values of each are listed below. What a service
  does not know, such as a code of a newer one, is `{OTHER}`.
* **Counters** and histograms are each process's own: take `sum(rate(...))`.
* **Gauges of the scheduler** come from the tables and queues that all schedulers share, and are the same from each of
  them: take `max()`, never `sum()`. `sftp_connector_measured_timestamp_seconds` tells how old they are. The other
  gauges are each process's own.
* A counter with few series begins with all of them at 0; one with many, such as by code, with none.

| metric | kind | from | labels | what it is | what to do when it rises, or falls |
|---|---|---|---|---|---|
"""
_LABELS = """
## Labels

| metric | label | values |
|---|---|---|
"""


def table() -> str:
    """The page."""
    specs = Metrics.declared()
    labels = (_label_row(spec, label) for spec in specs for label in spec.labels)
    return _INTRODUCTION + "".join(map(_row, specs)) + _LABELS + "".join(labels)


def _row(spec: Spec[Any]) -> str:
    cells = (
        f"`{spec.full_name}`",
        spec.kind.__name__.lower() + (f", {spec.unit}" if spec.unit else ""),
        ", ".join(spec.services),
        ", ".join(f"`{label.name}`" for label in spec.labels),
        spec.meaning,
        spec.advice,
    )
    return f"| {' | '.join(cells)} |\n"


def _label_row(spec: Spec[Any], label: Label) -> str:
    values = label.told or ", ".join(f"`{value}`" for value in label.values)
    return f"| `{spec.full_name}` | `{label.name}` | {values} |\n"


if __name__ == "__main__":
    PATH.write_text(table())
