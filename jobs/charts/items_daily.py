"""Views per day of the items with the most views lately."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.analysis.daily_gains import item_gains
from jobs.analysis.wording import change, day, noun, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import clock_of
from jobs.charts.theme import (
    BLUE,
    ORANGE,
    SKY,
    VERMILLION,
    WIDTH,
    count_axis,
    finished,
    rows,
    stamp,
    time_axis,
    trimmed,
)

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.daily_gains import DailyGains
    from jobs.analysis.items_daily import DailyItem
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_COLOURS: Final = (BLUE, ORANGE, VERMILLION, SKY)
_CHARACTERS: Final = 44
_SHOWN_DAYS: Final = 42
_AROUND: Final = 3
_FEWEST_AROUND: Final = 4


def items_daily(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw their daily views of the last six weeks; None if no item is followed."""
    if not analysis.items_daily.present:
        return None
    found = analysis.items_daily.items
    names = [f"{i}. {trimmed(one.title, _CHARACTERS)}" for i, one in enumerate(found, 1)]
    last = max(one.last_day for one in found)
    first = last - timedelta(days=_SHOWN_DAYS - 1)
    dots, lines = list[dict[str, Any]](), list[dict[str, Any]]()
    for name, one in zip(names, found, strict=True):
        gains = item_gains(data, one.item_id)
        dots += _days(gains, first, name)
        lines += _around(gains, first, name)
    start = min(date.fromisoformat(row["day"][:10]) for row in dots)
    colour = vl.encoded(
        "item:N",
        scale=vl.options(domain=names, range=list(_COLOURS[: len(names)])),
        legend=vl.options(columns=2, symbolType="circle", symbolOpacity=1),
    )
    x, y = time_axis("day", start, last), count_axis("views", "views per day")
    mark = vl.mark("circle", rows(dots), size=18, opacity=0.4)
    line = vl.mark("line", rows(lines), strokeWidth=2.5)
    drawing = vl.layer(mark.encode(x=x, y=y, color=colour), line.encode(x=x, y=y, color=colour))
    thing = noun(analysis.platform)
    return finished(
        "items-daily",
        drawing.properties(width=WIDTH, height=200),
        title=_title(found[0]),
        reading=(
            f"The {thing}s that brought most in their last week. Dots are days "
            f"({clock_of(analysis)}), lines the "
            "mean of seven days around."
        ),
        description="; ".join(
            f"{name}: {short(one.last_week)} views in the 7 days up to {day(one.last_day)}"
            for name, one in zip(names, found, strict=True)
        )
        + ".",
        table=Table(
            [thing.capitalize(), "Days known", "Last 7 days", "On the 7 before", "95% interval"],
            [[name, f"{one.days:,}", *_week(one)] for name, one in zip(names, found, strict=True)],
        ),
    )


def _days(gains: DailyGains, first: date, name: str) -> list[dict[str, Any]]:
    return [
        {"day": stamp(when), "views": int(gain), "item": name}
        for when, gain in zip(gains.days.tolist(), gains.gains, strict=True)
        if when >= first and not np.isnan(gain)
    ]


def _around(gains: DailyGains, first: date, name: str) -> list[dict[str, Any]]:
    """Return the mean of seven days; null, which breaks the line, if few of them are known."""
    padded = np.pad(gains.gains, _AROUND, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)
    enough = np.count_nonzero(~np.isnan(windows), axis=1) >= _FEWEST_AROUND
    return [
        {"day": stamp(when), "views": float(np.nanmean(days)) if known else None, "item": name}
        for when, days, known in zip(gains.days.tolist(), windows, enough, strict=True)
        if when >= first
    ]


def _title(top: DailyItem) -> str:
    text = f"“{trimmed(top.title, _CHARACTERS)}” brought {short(top.last_week)} views in a week"
    if not top.week.present:
        return text
    if top.week.direction == "unclear":
        return f"{text}, no clear change from the one before"
    return f"{text}, {change(top.week.ratio)} on the one before"


def _week(one: DailyItem) -> list[str]:
    week = one.week
    if not week.present:
        return [short(one.last_week), "", ""]
    return [short(one.last_week), change(week.ratio), f"{change(week.low)} to {change(week.high)}"]
