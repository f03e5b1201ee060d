"""Round numbers that the counters have passed, and when they should pass the next ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import day
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import milestone_ahead, milestone_name
from jobs.charts.theme import BLUE, INK, ORANGE, WIDTH, finished, legend, rows, stamp, time_axis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.milestones import MilestoneExpected, MilestoneReached
    from jobs.channel.data import ChannelData
    from jobs.channel.records import Platform
    from jobs.charts.chart import Chart

_REACHED_SHOWN: Final = 5
_ROW_HEIGHT: Final = 28
_MARGIN: Final = 0.02
_REACHED: Final = "reached"
_EXPECTED: Final = "expected, with 80% interval"


def milestones(_data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw reached and expected milestones along a time axis; None if there are none."""
    found = analysis.milestones
    if not found.present or not (found.reached or found.expected):
        return None
    reached = found.reached[:_REACHED_SHOWN][::-1]
    marks = [
        *(_passed(one, analysis.platform) for one in reached),
        *_ahead(sorted(found.expected, key=lambda one: one.day), analysis.platform),
    ]
    return finished(
        "milestones",
        _drawing(marks, [*_days(reached, found.expected)]),
        title=_title(found.expected, found.reached, analysis.platform),
        reading=(
            "Milestones are 1, 2, 2.5, 5 and 7.5 times powers of ten. What is expected goes on at "
            "the pace of the last weeks; an open end means that it may not come within two years."
        ),
        description="; ".join(f"{mark['name']}: {mark['text']}" for mark in marks) + ".",
        table=Table(["Milestone", "When"], [[mark["name"], mark["text"]] for mark in marks]),
    )


def _drawing(marks: list[dict[str, Any]], days: list[date]) -> vl.View:
    data = rows(marks)
    margin = (max(days) - min(days)) * _MARGIN + timedelta(days=1)
    first, last = min(days) - margin, max(days) + margin
    y = vl.encoded(
        "name:N",
        sort=[mark["name"] for mark in marks],
        axis=vl.options(title=None, labelColor=INK, grid=True),
    )
    colour = vl.encoded(
        "series:N",
        scale=vl.options(
            domain=[name for name in (_REACHED, _EXPECTED) if _any(marks, name)],
            range=[c for name, c in ((_REACHED, BLUE), (_EXPECTED, ORANGE)) if _any(marks, name)],
        ),
        legend=legend(under_title=False),
    )
    span = time_axis("low", first, last, padded=True)
    at = time_axis("day", first, last, padded=True)
    layers = (
        vl.mark("rule", data, strokeWidth=6, opacity=0.35, clip=True).encode(
            x=span, x2="high:T", y=y, color=colour
        ),
        vl.mark("circle", data, size=90, opacity=1).encode(x=at, y=y, color=colour),
    )
    return vl.layer(*layers).properties(width=WIDTH, height=_ROW_HEIGHT * len(marks) + 10)


def _any(marks: list[dict[str, Any]], series: str) -> bool:
    return any(mark["series"] == series for mark in marks)


def _passed(one: MilestoneReached, platform: Platform) -> dict[str, Any]:
    return {
        "name": milestone_name(one, platform),
        "low": stamp(one.after),
        "day": stamp(one.day),
        "high": stamp(one.day),
        "series": _REACHED,
        "text": f"reached {day(one.day)}",
    }


def _ahead(found: list[MilestoneExpected], platform: Platform) -> Iterator[dict[str, Any]]:
    for one in found:
        yield {
            "name": milestone_name(one, platform),
            "low": stamp(one.earliest),
            "day": stamp(one.day),
            "high": stamp(one.latest or _end(one)),
            "series": _EXPECTED,
            "text": f"expected {milestone_ahead(one)}",
        }


def _days(reached: list[MilestoneReached], expected: list[MilestoneExpected]) -> Iterator[date]:
    for one in reached:
        yield from (one.after, one.day)
    for ahead in expected:
        yield from (ahead.earliest, ahead.latest or _end(ahead))


def _end(one: MilestoneExpected) -> date:
    """Return where an open interval ends in the picture: half again as far as it starts before."""
    return one.day + (one.day - one.earliest) * 1.5


def _title(
    expected: list[MilestoneExpected], reached: list[MilestoneReached], platform: Platform
) -> str:
    if expected:
        first = min(expected, key=lambda one: one.day)
        return f"Next: {milestone_name(first, platform)} {milestone_ahead(first)}"
    newest = reached[0]
    return f"{milestone_name(newest, platform)} reached on {day(newest.day)}"
