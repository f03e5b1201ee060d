"""The views that the currently growing items should gain in the next day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import day, noun, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.theme import (
    BLUE,
    INK,
    ORANGE,
    SHORT_LABELS,
    WIDTH,
    finished,
    legend,
    rows,
    trimmed,
)
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.items_ahead import ItemAhead, ItemsAhead
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_CHARACTERS: Final = 42
_ROW_HEIGHT: Final = 30
_GAINED: Final = "gained in the last day"
_EXPECTED: Final = "expected in the next, with 80% interval"


def items_ahead(_data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw what the items should gain in a day, with intervals; None if none is forecast."""
    found = analysis.next_day
    if not found.present:
        return None
    thing = noun(analysis.platform)
    names = [f"{i}. {trimmed(one.title, _CHARACTERS)}" for i, one in enumerate(found.items, 1)]
    return finished(
        "items-ahead",
        _drawing(found.items, names),
        title=_title(found),
        reading=(
            f"Views in a day, of the {counted(found.followed, thing)} read on the last two days; "
            "what is expected follows from the last day and the age, its interval from how far "
            "off that was on trending videos."
        ),
        description="; ".join(
            f"{name}: {short(one.expected - one.views)} views expected"
            for name, one in zip(names, found.items, strict=True)
        )
        + ".",
        table=Table(
            [thing.capitalize(), "Views so far", "Last day", "Next day", "80% interval"],
            [
                [
                    one.title,
                    short(one.views),
                    short(one.gained),
                    short(one.expected - one.views),
                    f"{short(one.low - one.views)} to {short(one.high - one.views)}",
                ]
                for one in found.items
            ],
        ),
    )


def _title(found: ItemsAhead) -> str:
    first, until = found.items[0], day((found.as_of + timedelta(days=1)).date())
    more, low, high = (short(x - first.views) for x in (first.expected, first.low, first.high))
    return (
        f"“{trimmed(first.title, _CHARACTERS)}” should gain about {more} views by {until} "
        f"({found.level:.0%} interval {low} to {high})"
    )


def _drawing(items: list[ItemAhead], names: list[str]) -> vl.View:
    marks: list[dict[str, Any]] = []
    for name, one in zip(names, items, strict=True):
        marks.append({"label": name, "series": _GAINED, "views": one.gained})
        ends = {"low": one.low - one.views, "high": one.high - one.views}
        expected = one.expected - one.views
        marks.append({"label": name, "series": _EXPECTED, "views": expected, **ends})
    scale = vl.options(domain=[0, max(mark.get("high", mark["views"]) for mark in marks)])
    axis = vl.options(
        title="views in a day", format="~s", labelExpr=SHORT_LABELS, tickCount=5, grid=True
    )
    y = vl.encoded("label:N", sort=names, axis=vl.options(title=None, labelColor=INK))
    colour = vl.encoded(
        "series:N",
        scale=vl.options(domain=[_GAINED, _EXPECTED], range=[BLUE, ORANGE]),
        legend=legend(under_title=False),
    )
    at = vl.encoded("views:Q", axis=axis, scale=scale)
    expected_only = rows([mark for mark in marks if mark["series"] == _EXPECTED])
    layers = [
        vl.mark("rule", expected_only, strokeWidth=7, opacity=0.35).encode(
            x=vl.encoded("low:Q", axis=axis, scale=scale), x2="high:Q", y=y, color=colour
        ),
        vl.mark("circle", rows(marks), size=80, opacity=1).encode(x=at, y=y, color=colour),
    ]
    return vl.layer(*layers).properties(width=WIDTH, height=_ROW_HEIGHT * len(names) + 10)
