"""
How all charts look: colours, type, axes.

Series have the colours of Okabe and Ito, "Color Universal Design" (2008), which people with any
of the common colour-vision deficiencies can tell apart. Ink, muted and grid are fixed values,
so that a page around an inline SVG can restyle them for dark mode by attribute selectors.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from jobs.charts.chart import Chart

if TYPE_CHECKING:
    from datetime import date, datetime

BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
VERMILLION: Final = "#D55E00"

INK: Final = "#1f2933"
MUTED: Final = "#5f6b7a"
GRID: Final = "#e3e8ee"
PAPER: Final = "#ffffff"

FONT: Final = "Arial, Liberation Sans, Helvetica, sans-serif"
"""Liberation Sans has Arial's widths and comes with the renderer, so measures hold everywhere."""

SHORT_LABELS: Final = "datum.value == 0 ? '0' : upper(replace(datum.label, 'G', 'B'))"
"""Vega's short numbers in this project's units: 0 bare, K and B for Vega's k and G."""

WIDTH: Final = 760
_TITLE_CHARACTERS: Final = 84
_SUBTITLE_CHARACTERS: Final = 124
_FEW_DAYS: Final = 150

_CONFIG: Final[dict[str, Any]] = {
    "font": FONT,
    "background": PAPER,
    "padding": 12,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "align": "left",
        "offset": 18,
        "color": INK,
        "fontSize": 16,
        "fontWeight": "bold",
        "lineHeight": 21,
        "subtitleColor": MUTED,
        "subtitleFontSize": 12,
        "subtitleLineHeight": 16,
        "subtitlePadding": 6,
    },
    "axis": {
        "domain": False,
        "ticks": False,
        "labelPadding": 8,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "labelOverlap": "greedy",
        "labelSeparation": 10,
    },
    "axisX": {"grid": False, "ticks": True, "tickColor": GRID, "domain": True, "domainColor": GRID},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 400,
        "columnPadding": 20,
        "offset": 30,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "symbolSize": 90,
        "symbolStrokeWidth": 2,
    },
    "text": {"color": INK, "fontSize": 12},
}


def finished(
    key: str, drawing: alt.TopLevelMixin, *, title: str, reading: str, description: str
) -> Chart:
    """Return *drawing* as a chart that says its finding, how to read it, and what it shows."""
    # The tests check every chart against Vega-Lite's schema; here it would take half the time.
    spec: dict[str, Any] = drawing.to_dict(validate=False)
    spec["title"] = {
        "text": textwrap.wrap(title, _TITLE_CHARACTERS),
        "subtitle": textwrap.wrap(reading, _SUBTITLE_CHARACTERS),
    }
    spec["description"] = description
    spec["config"] = _CONFIG
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return Chart(key=key, title=title, spec=spec, alt=description)


def count_axis(field: str, title: str, *, zero: bool = True) -> alt.Y:
    """Return *field* on a vertical axis of counts; equal titles of several layers become one."""
    return alt.Y(
        field,
        type="quantitative",
        axis=flat_axis(title, format="~s", labelExpr=SHORT_LABELS, tickCount=5, tickMinStep=1),
        scale=alt.Scale(zero=zero, nice=True),
    )


def flat_axis(title: str, **options: Any) -> alt.Axis:
    """Return a vertical axis with its title, units included, read without turning the head."""
    return alt.Axis(
        title=title,
        titleAngle=0,
        titleAlign="left",
        titleAnchor="start",
        titleBaseline="bottom",
        titleX=0,
        titleY=-8,
        **options,
    )


def time_axis(field: str, first: date, last: date, *, padded: bool = False) -> alt.X:
    """
    Return *field* on a horizontal axis of UTC dates, months alone where there are many.

    The axis ends where the data does, or with *padded* at *first* and *last*.
    """
    ends = [stamp(first), stamp(last)] if padded else alt.Undefined
    many = (last - first).days > _FEW_DAYS
    return alt.X(
        field,
        type="temporal",
        axis=alt.Axis(title=None, format="%b %Y" if many else "%-d %b", tickCount=6),
        scale=alt.Scale(type="utc", nice=False, domain=ends),
    )


def stamp(when: date | datetime) -> str:
    """Return a date (midnight) or an aware instant as text that Vega reads as UTC."""
    text = when.isoformat()
    return text.replace("+00:00", "Z") if "T" in text else f"{text}T00:00:00Z"


def rows(values: list[dict[str, Any]]) -> alt.InlineData:
    """Return *values* as inline data."""
    return alt.InlineData(values)


def trimmed(title: str, characters: int) -> str:
    """Return a title's first *characters*, cut at a word where it is longer."""
    flat = " ".join(title.split())
    if len(flat) <= characters:
        return flat
    head = flat[: characters - 1]
    return f"{head[: head.rfind(' ')] if ' ' in head[characters // 2 :] else head}…"
