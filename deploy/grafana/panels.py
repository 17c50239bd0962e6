"""What a dashboard is made of, in the form that Grafana reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel; `queries` are pairs of a PromQL expression and its legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    about: str
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    rare: bool = False  # empty when all is well

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana reads it."""
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0}
        if self.rare:
            defaults["noValue"] = "none"
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "targets": [
                {"refId": chr(65 + place), "expr": expression, "legendFormat": legend, "datasource": _SOURCE}
                for place, (expression, legend) in enumerate(self.queries)
            ],
        }


def figure(title: str, expression: str, about: str, unit: str = "short") -> Panel:
    """A small panel with one figure."""
    return Panel(title, ((expression, ""),), about, unit, kind="stat", width=4, height=4)


def dashboard(
    uid: str, title: str, about: str, panels: Iterable[Panel], variables: Sequence[str] = ()
) -> dict[str, Any]:
    """A dashboard; `variables` are labels of which the reader picks values."""
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["sftp-connector"],
        "timezone": "browser",
        "schemaVersion": 38,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                *(_variable(name) for name in variables),
            ]
        },
        "panels": list(_placed(panels)),
    }


def _variable(name: str) -> dict[str, Any]:
    metric = {"job": "sftp_connector_build_info", "code": "sftp_connector_looks_total"}[name]
    return {
        "name": name,
        "type": "query",
        "label": name,
        "datasource": _SOURCE,
        "query": f"label_values({metric}, {name})",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def _placed(panels: Iterable[Panel]) -> Iterable[dict[str, Any]]:
    """From left to right, row by row."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _COLUMNS:
            x, y, height = 0, y + height, 0
        yield panel.json(number, x, y)
        x, height = x + panel.width, max(height, panel.height)
