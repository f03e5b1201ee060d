"""
The look of all charts: colours, type, axes.

Series have the hues of Okabe and Ito, "Color Universal Design" (2008), which people with any of
the common colour-vision deficiencies can distinguish, at a lightness with a contrast of three to
one with the paper. A chart is drawn in `LIGHT`; each role has a value of its own, so a page
restyles an inline SVG for `DARK` by attribute selectors.
"""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.channel.text import characters as split_characters
from jobs.channel.text import clean
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Chart
from jobs.charts.code_version import code_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from jobs.charts.chart import Table


@dataclass(frozen=True, slots=True)
class Palette:
    """
    A colour for each role: text, lines, the page and its cards, the series, a note.

    *ink*, *second* and *muted* are for text on *page* and *card*, *accent* for headings and labels.
    *typical* is what is usual for a figure, *band* the same behind bars.
    """

    ink: str
    muted: str
    line: str
    page: str
    card: str
    accent: str
    blue: str
    sky: str
    orange: str
    red: str
    note: str
    note_line: str
    note_ink: str
    second: str
    typical: str
    band: str
    good: str


LIGHT: Final = Palette(
    ink="#1b2530",
    muted="#5b6675",
    line="#e1e6ec",
    page="#f5f7f9",
    card="#ffffff",
    accent="#0b63b0",
    blue="#00558c",
    sky="#3a97d8",
    orange="#cc8400",
    red="#a8320b",
    note="#fff6df",
    note_line="#e3c061",
    note_ink="#4a3500",
    second="#3c4855",
    typical="#bcd8f1",
    band="#e4eef6",
    good="#028747",
)
DARK: Final = Palette(
    ink="#e8edf3",
    muted="#98a5b3",
    line="#2a323b",
    page="#0f1317",
    card="#171c22",
    accent="#6cb8f5",
    blue="#3f9fec",
    sky="#b5dcf2",
    orange="#f7c948",
    red="#e8552a",
    note="#2e2611",
    note_line="#6e5a22",
    note_ink="#ffe9b0",
    second="#c8d1db",
    typical="#2a4d70",
    band="#1b2b3a",
    good="#83c386",
)

BLUE: Final = LIGHT.blue
SKY: Final = LIGHT.sky
ORANGE: Final = LIGHT.orange
VERMILLION: Final = LIGHT.red
INK: Final = LIGHT.ink
MUTED: Final = LIGHT.muted
GRID: Final = LIGHT.line
PAPER: Final = LIGHT.card

FONT: Final = "Arial, Liberation Sans, Helvetica, Noto Sans, sans-serif"
"""Liberation Sans has Arial's widths and comes with the renderer: text has one width everywhere."""

SHORT_LABELS: Final = "datum.value == 0 ? '0' : upper(replace(datum.label, 'G', 'B'))"
"""Vega's short numbers in this project's units: a bare 0, K and B for Vega's k and G."""

WIDTH: Final = 760
_TITLE_CHARACTERS: Final = 84
_SUBTITLE_CHARACTERS: Final = 124
_FEW_DAYS: Final = 150
_FIRST_PLANE: Final = 0xFFFF
_MOST_ACCENTS: Final = 16
_VERY_WIDE: Final = "\ufdfa\ufdfb\ufdfd\U00012219\U0001242b"  # whole sentences in one sign
_WIDEST: Final = 12
_CLOSE: Final = 12

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
        # Vega cuts what is longer, maybe through a surrogate pair, and fails. Ours are cut already.
        "labelLimit": 0,
        "titleLimit": 0,
    },
    "axisX": {"grid": False, "ticks": True, "tickColor": GRID, "domain": True, "domainColor": GRID},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 0,
        "titleLimit": 0,
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
    key: str,
    drawing: vl.View,
    *,
    title: str,
    reading: str,
    description: str,
    table: Table | None = None,
) -> Chart:
    """Return *drawing* as a chart with its finding, how to read it, and what it shows."""
    spec = {"config": _CONFIG, **drawing.to_dict()}
    spec["title"] = {
        "text": textwrap.wrap(title, _TITLE_CHARACTERS),
        "subtitle": textwrap.wrap(reading, _SUBTITLE_CHARACTERS),
    }
    spec["description"] = description
    spec["usermeta"] = {
        "code": code_version(),
        "table": table and {"columns": table.columns, "rows": table.rows},
    }
    if "hconcat" not in spec:
        # Panels side by side have widths of their own.
        spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return Chart(key=key, title=title, spec=spec, alt=description)


def count_axis(
    field: str, title: str, *, zero: bool = True, most: float | None = None
) -> vl.Options:
    """
    Return *field* on a vertical axis of counts; layers with equal titles share one.

    With *most*, the axis goes from zero to that, whatever lies beyond it.
    """
    ends = {"nice": True, "zero": zero} if most is None else {"nice": False, "domain": [0, most]}
    return vl.encoded(
        f"{field}:Q",
        axis=flat_axis(title, format="~s", labelExpr=SHORT_LABELS, tickCount=5, tickMinStep=1),
        scale=vl.options(**ends),
    )


def flat_axis(title: str, **options: Any) -> vl.Options:
    """Return a vertical axis with a horizontal title, units included."""
    return vl.options(
        title=title,
        titleAngle=0,
        titleAlign="left",
        titleAnchor="start",
        titleBaseline="bottom",
        titleX=0,
        titleY=-8,
        **options,
    )


def legend(*, under_title: bool = True) -> vl.Options:
    """Return a legend of dots; *under_title* leaves room below for a vertical axis's title."""
    offset = {} if under_title else {"offset": _CLOSE}
    return vl.options(symbolType="circle", symbolOpacity=1, **offset)


def time_axis(
    field: str,
    first: date,
    last: date,
    *,
    padded: bool = False,
    ticks: int = 6,
    at: Sequence[date] = (),
) -> vl.Options:
    """
    Return *field* on a horizontal axis of about *ticks* UTC dates; months only on a long axis.

    The axis ends where the data does or, with *padded*, at *first* and *last*. Vega chooses the
    labelled dates unless they are given as *at*.
    """
    ends = {"domain": [stamp(first), stamp(last)]} if padded else {}
    labelled = {"values": [stamp(one) for one in at]} if at else {}
    many = (last - first).days > _FEW_DAYS
    return vl.encoded(
        f"{field}:T",
        axis=vl.options(
            title=None,
            format="%b %Y" if many else "%-d %b",
            # Vega drops values, too, if there are more than ticks.
            tickCount=max(ticks, len(at)),
            **labelled,
        ),
        scale=vl.options(type="utc", nice=False, **ends),
    )


def stamp(when: date | datetime) -> str:
    """Return a date (midnight) or an aware instant as text that Vega reads as UTC."""
    text = when.isoformat()
    return text.replace("+00:00", "Z") if "T" in text else f"{text}T00:00:00Z"


def rows(values: vl.Rows) -> vl.Rows:
    """Return *values* as a data set of its own."""
    return list(values)


def trimmed(title: str, characters: int) -> str:
    """
    Return a title's first *characters*, cut at a word if it is longer.

    Chinese, Japanese and Korean characters, emoji, and whatever else is not of the first plane,
    count as two, for they are twice as wide. A letter and its accents are one character.
    """
    parts = split_characters(" ".join(clean(title).split()))
    widths = [_width(one) for one in parts]
    if sum(widths) <= characters:
        return "".join(parts)
    room, fit = characters - 1, 0
    while widths[fit] <= room:
        room -= widths[fit]
        fit += 1
    head = parts[:fit]
    words = max((at for at, one in enumerate(head) if one == " "), default=0)
    return f"{''.join(head[:words] if words >= fit // 2 > 0 else head)}…"


def _width(character: str) -> int:
    if len(character) > _MOST_ACCENTS:
        return _WIDEST
    first = character[0]
    is_wide = unicodedata.east_asian_width(first) in "WF" or ord(first) > _FIRST_PLANE
    return _WIDEST if first in _VERY_WIDE else 2 if is_wide else 1
