"""Views per day by month, each beside the same month a year before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.analysis.wording import change, number, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import clock_of
from jobs.charts.theme import (
    BLUE,
    ORANGE,
    SKY,
    WIDTH,
    count_axis,
    finished,
    rows,
    stamp,
    time_axis,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.months import Month
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST_WHOLE = 2
_SHOWN = 36
_LABELS = 8
_UNIT = "views per day"


def months(
    data: ChannelData,  # noqa: ARG001 -- all charts take the same arguments
    analysis: ChannelAnalysis,
) -> Chart | None:
    """Draw the mean views a day of each month; None if fewer than two months are whole."""
    if not analysis.months.present:
        return None
    found = analysis.months.months
    whole = {one.first_day: one for one in found if one.whole}
    if len(whole) < _FEWEST_WHOLE:
        return None
    shown = found[-_SHOWN:]
    bars = [
        {
            "month": stamp(one.first_day + timedelta(days=1)),
            "end": stamp(_next(one.first_day) - timedelta(days=1)),
            "name": f"{one.first_day:%b %Y}",
            "views": one.per_day,
            "whole": one.whole,
        }
        for one in shown
    ]
    ago = [
        {**bar, "views": whole[year].per_day}
        for bar, one in zip(bars, shown, strict=True)
        if (year := _year_before(one.first_day)) in whole
    ]
    end = _next(shown[-1].first_day)
    x = time_axis("month", shown[0].first_day, end, padded=True, at=_labelled(shown))
    colour = vl.condition("datum.whole", BLUE, SKY)
    tooltip = [vl.encoded("name:N", title="month"), vl.encoded("views:Q", title=_UNIT)]
    y = count_axis("views", _UNIT)
    drawing = vl.layer(
        vl.mark("rect", rows(bars), aria=False).encode(
            x=x, x2="end:T", y=y, y2=vl.datum(0), color=colour, tooltip=tooltip
        ),
        vl.mark("rule", rows(ago), color=ORANGE, strokeWidth=3).encode(x=x, x2="end:T", y=y),
    )
    return finished(
        "months",
        drawing.properties(width=WIDTH, height=160),
        title=_title(whole),
        reading=_reading(shown, clock_of(analysis), years=bool(ago)),
        description=_description(whole),
        table=_table(shown, whole, clock_of(analysis)),
    )


def _title(whole: Mapping[date, Month]) -> str:
    """Compare the newest whole month with the one before and that of a year before."""
    newest = whole[max(whole)]
    changes = [
        f"{ratio} on {earlier.first_day:{'%B' if nearby else '%B %Y'}}"
        for earlier, nearby in (
            (whole.get(_before(newest.first_day)), True),
            (whole.get(_year_before(newest.first_day)), False),
        )
        if earlier is not None and (ratio := _change(newest, earlier))
    ]
    against = f", {' and '.join(changes)}" if changes else ""
    return f"{newest.first_day:%B %Y} brought {short(newest.per_day)} views a day{against}"


def _reading(shown: Sequence[Month], clock: str, *, years: bool) -> str:
    text = f"Bars are the mean views a day of calendar months ({clock})"
    if not all(one.whole for one in shown):
        text += ", light where less than nine tenths of the days are known"
    if years:
        text += "; the line across a bar is the same month a year before"
    return f"{text}. Single months also differ by chance."


def _description(whole: Mapping[date, Month]) -> str:
    best, least = (pick(whole.values(), key=lambda one: one.per_day) for pick in (max, min))
    return (
        f"Views a day by month over {counted(len(whole), 'whole month')}: most in "
        f"{best.first_day:%B %Y} with {short(best.per_day)}, least in {least.first_day:%B %Y} "
        f"with {short(least.per_day)}."
    )


def _table(shown: Sequence[Month], whole: Mapping[date, Month], clock: str) -> Table:
    def against(one: Month, earlier: date) -> str:
        both = one.whole and earlier in whole
        return (_change(one, whole[earlier]) or "") if both else ""

    def row(one: Month) -> list[str]:
        return [
            f"{one.first_day:%b %Y}",
            number(one.views),
            short(one.per_day),
            f"{one.known} of {one.days}",
            against(one, _before(one.first_day)),
            against(one, _year_before(one.first_day)),
        ]

    columns = [f"Month ({clock})", "Views", "Views a day", "Days known", "On the month before"]
    return Table([*columns, "On the year before"], [row(one) for one in reversed(shown)])


def _change(one: Month, earlier: Month) -> str | None:
    """Return the change of views a day; None if there were none."""
    return change(one.per_day / earlier.per_day) if earlier.per_day > 0 <= one.per_day else None


def _labelled(shown: Sequence[Month]) -> list[date]:
    """Return the middle of every month or every nth: a label at its start could mean two months."""
    apart = -(-len(shown) // _LABELS)
    return [one.first_day + timedelta(days=one.days // 2) for one in shown[::-apart]][::-1]


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _year_before(month: date) -> date:
    return month.replace(year=month.year - 1)
