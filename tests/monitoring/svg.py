"""Draws panels and their figures as SVG, readable on light and on dark ground."""

import math
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten
from xml.sax.saxutils import escape

from deploy.grafana.panels import Panel

Points = Sequence[Sequence[float | None]]  # second and value
Figures = Mapping[str, Mapping[str, Points]]  # by title, by legend

_COLUMN, _ROW, _GAP, _HEAD = 44.0, 26.0, 4.0, 26.0
_LINES = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#ec4899", "#14b8a6", "#94a3b8")
_LEGEND = 5  # as many series are named
_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 12px }
.figure { font-size: 26px; font-weight: 600 }
.soft { fill: #6b7280; font-size: 10px }
.ground { fill: #f3f4f6 } .panel { fill: #ffffff; stroke: #d1d5db } .grid { stroke: #e5e7eb }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb } .soft { fill: #9ca3af }
.ground { fill: #0d1117 } .panel { fill: #161b22; stroke: #30363d } .grid { stroke: #21262d }
}
"""


def picture(panels: Iterable[Panel], figures: Figures) -> str:
    """The panels at their places; one without figures says that there are none."""
    body, x, y, tallest = [], 0.0, 0.0, 0
    for panel in panels:
        if x + panel.width > 24:
            x, y, tallest = 0.0, y + tallest, 0
        height = 3 if panel.rare else panel.height
        body.append(_panel(panel, figures.get(panel.title, {}), x * _COLUMN, y * _ROW + _HEAD, height * _ROW))
        x, tallest = x + panel.width, max(tallest, height)
    width, height_all = 24 * _COLUMN, (y + tallest) * _ROW + _HEAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height_all:g}" role="img">\n'
        f"<title>The overview dashboard, with figures of a stack under load</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="ground" width="{width:g}" height="{height_all:g}"/>\n'
        '<text class="title" x="8" y="18">SFTP connector: two minutes of a private stack under load</text>\n'
        f"{''.join(body)}</svg>\n"
    )


def _panel(panel: Panel, series: Mapping[str, Points], x: float, y: float, height: float) -> str:
    width = panel.width * _COLUMN - _GAP
    inner = _figure(panel, series) if panel.kind == "stat" else _chart(panel, series, width, height - _GAP)
    return (
        f'<g transform="translate({x + _GAP / 2:g} {y:g})">'
        f'<rect class="panel" width="{width:g}" height="{height - _GAP:g}" rx="4"/>'
        f'<text class="title" x="8" y="17">{escape(panel.title)}</text>{inner}</g>\n'
    )


def _figure(panel: Panel, series: Mapping[str, Points]) -> str:
    values = [value for points in series.values() for _, value in points if value is not None]
    told = _told(values[-1], panel.unit) if values else "none"
    about = escape(shorten(panel.about, 28, placeholder=" …"))
    return f'<text class="figure" x="8" y="60">{told}</text><text class="soft" x="8" y="88">{about}</text>'


def _chart(panel: Panel, series: Mapping[str, Points], width: float, height: float) -> str:
    values = [value for points in series.values() for _, value in points if value is not None]
    if not values:
        return '<text class="soft" x="8" y="44">none</text>'
    # The largest are named, and drawn last.
    order = sorted(series, key=lambda name: (-_largest(series[name]), name))
    top, end = (max(values) or 1) * 1.1, max(second or 0 for points in series.values() for second, _ in points) or 1
    left, right, low, high = 52.0, width - 8, height - 44, 28.0

    def at(second: float, value: float) -> str:
        return f"{left + (right - left) * second / end:.1f},{low - (low - high) * value / top:.1f}"

    lines = "".join(
        f'<path class="grid" d="M{left:g} {low - (low - high) * part:.1f}H{right:g}"/>'
        f'<text class="soft" x="{left - 4:g}" y="{low - (low - high) * part + 3:.1f}" text-anchor="end">'
        f"{_told(top * part, panel.unit)}</text>"
        for part in (0, 0.5, 1)
    )
    for place, name in reversed(list(enumerate(order))):
        for run in _unbroken(series[name]):
            points = " ".join(at(second, value) for second, value in run)
            lines += (
                f'<polyline fill="none" stroke="{_LINES[place % len(_LINES)]}" stroke-width="1.6" points="{points}"/>'
            )
    return lines + _names(order, width, height)


def _names(order: Sequence[str], width: float, height: float) -> str:
    """Which colour is which, in two rows."""
    named, step = "", (width - 16) / 3
    for place, name in enumerate(order[:_LEGEND]):
        x, y = 8 + step * (place % 3), height - 24 + 14 * (place // 3)
        named += (
            f'<rect x="{x:.1f}" y="{y - 8:g}" width="8" height="8" fill="{_LINES[place % len(_LINES)]}"/>'
            f'<text class="soft" x="{x + 12:.1f}" y="{y:g}">{escape(name[:18])}</text>'
        )
    more = len(order) - _LEGEND
    return named + (
        f'<text class="soft" x="{8 + step * 2:.1f}" y="{height - 10:g}">+ {more}</text>' if more > 0 else ""
    )


def _largest(points: Points) -> float:
    return max((value for _, value in points if value is not None), default=0.0)


def _unbroken(points: Points) -> Iterable[list[tuple[float, float]]]:
    """The parts of a line between moments without a value."""
    run: list[tuple[float, float]] = []
    for second, value in points:
        if value is None or (run and (second or 0) - run[-1][0] > 10):
            yield run
            run = []
        if value is not None:
            run.append((second or 0, value))
    yield run


def _told(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "s":
            return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
        case "ops":
            return f"{_round(value)}/s"
        case "Bps":
            return f"{value / 1e6:.2g} MB/s"
        case _:
            return _round(value)


def _round(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.3g}k"
    return f"{value:.0f}" if value >= 100 or math.isclose(value, round(value)) else f"{value:.2g}"
