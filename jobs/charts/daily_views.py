"""Views per day: each day, the trend with its quartiles, gaps, and the forecast."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.peak import SHOWN_DAYS
from jobs.analysis.wording import change, day, number, short
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import clock_of, highest_day, is_held
from jobs.charts.theme import (
    BLUE,
    GRID,
    MUTED,
    ORANGE,
    SKY,
    VERMILLION,
    WIDTH,
    count_axis,
    finished,
    legend,
    rows,
    stamp,
    time_axis,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.change_points import ChangePoint
    from jobs.analysis.daily_gains import DailyGains
    from jobs.analysis.forecast import DayAhead, ViewForecast
    from jobs.analysis.growth import ViewGrowth
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_AROUND = 3
_FEWEST_AROUND = 4
_UNIT = "views per day"
_DAY = "one day"
_TREND = "7-day median and middle half"
_UNUSUAL = "unusual day"
_AHEAD = "forecast with 80% interval"
_TABLE_DAYS = 28
_CLEARLY = 1.5
"""A highest day below so many times the usual is one of many."""

_ROOM, _FAR = 1.25, 1.5
"""An interval _FAR times as high as all else is cut off at _ROOM times its height."""


def daily_views(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the gains of the view counter per day; None if they are not known."""
    if not (analysis.growth.present and analysis.growth.views.present):
        return None
    views, gains = analysis.growth.views, channel_gains(data, "views")
    first: date = gains.days[max(0, gains.days.size - SHOWN_DAYS)].item()
    layers = list(_layers(gains, first, analysis))
    return finished(
        "daily-views",
        vl.layer(*layers).properties(width=WIDTH, height=240),
        title=_title(views),
        reading=_reading(gains, analysis, first),
        description=_description(views, analysis),
        table=_table(gains, analysis),
    )


def _layers(gains: DailyGains, first: date, analysis: ChannelAnalysis) -> Iterator[vl.View]:
    ahead, unusual = _expected(analysis), _unusual(analysis, first)
    last: date = ahead.days[-1].day if ahead else gains.days[-1].item()
    x = time_axis("day", first, last)
    up = partial(count_axis, title=_UNIT, most=_top(gains, first, ahead))
    colour = _colours(unusual=bool(unusual), ahead=ahead is not None)
    yield _grey(gains, first).encode(x=x, x2="end:T")
    changes = rows([{"day": stamp(one.day)} for one in _changes(analysis, first)])
    yield vl.mark("rule", changes, color=MUTED, strokeDash=[2, 3], strokeWidth=1.5).encode(x=x)
    trend = rows(_trend(gains, first))
    band = vl.mark("area", trend, opacity=0.16)
    yield band.encode(x=x, y=up("low"), y2="high:Q", color=colour)
    dots = vl.mark("circle", rows(_days(gains, first)), size=28, opacity=0.9)
    yield dots.encode(x=x, y=up("views"), color=colour)
    line = vl.mark("line", trend, strokeWidth=2.5)
    yield line.encode(x=x, y=up("median"), color=colour)
    if unusual:
        mark = vl.mark("circle", rows(unusual), size=60, opacity=1)
        yield mark.encode(x=x, y=up("views"), color=colour)
    falls = [{"day": stamp(c.day), "views": 0} for c in gains.corrections if c.day >= first]
    mark = vl.mark(
        "point",
        rows(falls),
        shape="triangle-down",
        size=60,
        filled=True,
        color=VERMILLION,
        opacity=1,
    )
    yield mark.encode(x=x, y=up("views"))
    if ahead:
        days = rows([_ahead(d) for d in ahead.days])
        band = vl.mark("area", days, opacity=0.22, clip=True)
        yield band.encode(x=x, y=up("low"), y2="high:Q", color=colour)
        line = vl.mark("line", days, strokeWidth=2.5, strokeDash=[5, 3])
        yield line.encode(x=x, y=up("value"), color=colour)


def _colours(*, unusual: bool, ahead: bool) -> vl.Options:
    series = [(_DAY, SKY), (_TREND, BLUE)]
    series += [(_UNUSUAL, VERMILLION)] if unusual else []
    series += [(_AHEAD, ORANGE)] if ahead else []
    return vl.encoded(
        "series:N",
        scale=vl.options(domain=[name for name, _ in series], range=[c for _, c in series]),
        legend=legend(),
    )


def _top(gains: DailyGains, first: date, ahead: ViewForecast | None) -> float | None:
    """Return where to end the axis, so that an interval of wild days does not flatten the rest."""
    shown = gains.gains[gains.days >= np.datetime64(first)]
    if ahead is None or np.isnan(shown).all():
        return None
    most = max(float(np.nanmax(shown)), *(one.value for one in ahead.days))
    far = max(one.high for one in ahead.days)
    return _ROOM * most if far > _FAR * most > 0 else None


def _grey(gains: DailyGains, first: date) -> vl.View:
    holes = rows([{"day": stamp(start), "end": stamp(end)} for start, end in _gaps(gains, first)])
    return vl.mark("rect", holes, color=GRID, opacity=0.7, aria=False, tooltip=None)


def _unusual(analysis: ChannelAnalysis, first: date) -> list[dict[str, Any]]:
    if not analysis.outliers.present:
        return []
    return [
        {"day": stamp(one.day), "views": one.views, "series": _UNUSUAL}
        for one in analysis.outliers.days
        if one.day >= first
    ]


def _changes(analysis: ChannelAnalysis, first: date) -> list[ChangePoint]:
    found = analysis.changes
    return [one for one in found.points if one.day >= first] if found.present else []


def _table(gains: DailyGains, analysis: ChannelAnalysis) -> Table:
    """Tabulate the newest known days and the forecast, the newest first."""
    ahead = _expected(analysis)
    expected = [
        [day(one.day), f"{short(one.value)} expected", f"{short(one.low)} to {short(one.high)}"]
        for one in (ahead.days if ahead else [])
    ]
    known = [
        [day(when), number(float(gain)), ""]
        for when, gain in zip(gains.days.tolist(), gains.gains, strict=True)
        if not np.isnan(gain)
    ]
    return Table(
        [f"Day ({clock_of(analysis)})", "Views", "80% interval"],
        [*known[-_TABLE_DAYS:], *expected][::-1],
    )


def _days(gains: DailyGains, first: date) -> list[dict[str, Any]]:
    return [
        {"day": stamp(when), "views": int(gain), "series": _DAY}
        for when, gain in zip(gains.days.tolist(), gains.gains, strict=True)
        if when >= first and not np.isnan(gain)
    ]


def _trend(gains: DailyGains, first: date) -> list[dict[str, Any]]:
    """Return median and quartiles of the seven days around each; null if too few are known."""
    padded = np.pad(gains.gains, _AROUND, constant_values=np.nan)
    around = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
    known = np.count_nonzero(~np.isnan(around), axis=1)
    known[np.isnan(gains.gains)] = 0
    ranks = np.full((known.size, 3), None)
    for days in range(_FEWEST_AROUND, 2 * _AROUND + 2):
        own = known == days
        ranks[own] = np.quantile(around[own, :days], [0.25, 0.5, 0.75], axis=1).T
    return [
        {"day": stamp(when), "low": low, "median": median, "high": high, "series": _TREND}
        for when, (low, median, high) in zip(gains.days.tolist(), ranks.tolist(), strict=True)
        if when >= first
    ]


def _expected(analysis: ChannelAnalysis) -> ViewForecast | None:
    if not (analysis.forecast.present and analysis.forecast.views.present):
        return None
    return analysis.forecast.views


def _ahead(expected: DayAhead) -> dict[str, Any]:
    return {**expected.model_dump(), "day": stamp(expected.day), "series": _AHEAD}


def _gaps(gains: DailyGains, first: date) -> list[tuple[date, date]]:
    return [
        (max(gap.first, first), gap.last + timedelta(days=1))
        for gap in gains.gaps
        if gap.last >= first
    ]


def _title(views: ViewGrowth) -> str:
    week = views.week
    if not week.present:
        return f"The channel gets about {short(views.median)} views a day"
    level = f"{short(week.last_mean)} views a day in the last week"
    if week.direction == "up":
        return f"Views are rising: {level}, {change(week.ratio)} on the week before"
    if week.direction == "down":
        return f"Views are falling: {level}, {change(week.ratio)} on the week before"
    if is_held(week):
        return f"Views hold their level: {level}, no clear change from the week before"
    return f"Views vary too much to tell a change from the week before: {level}"


def _reading(gains: DailyGains, analysis: ChannelAnalysis, first: date) -> str:
    text = (
        f"Dots are days ({clock_of(analysis)}), the line the median of seven days around, "
        "the band their middle half."
    )
    if _changes(analysis, first):
        text += " Dotted lines: the level changed for good."
    if gains.gaps:
        text += " Grey: days without a reading, counted nowhere."
    if gains.corrections:
        text += " Triangles: days on which the counter fell, their reach unknown."
    text += _highest(analysis, first)
    ahead = _expected(analysis)
    if ahead and _top(gains, first, ahead) is not None:
        high = max(one.high for one in ahead.days)
        text += f" The interval goes on beyond the axis, to {short(high)}."
    return text


def _highest(analysis: ChannelAnalysis, first: date) -> str:
    """Explain the highest dot, if it is clearly above the others."""
    found = analysis.peak
    if not found.present or found.day < first or found.ratio < _CLEARLY:
        return ""
    return f" The highest dot: {highest_day(found)}."


def _description(views: ViewGrowth, analysis: ChannelAnalysis) -> str:
    text = (
        f"Views per day over {counted(views.days, 'day')}, median {short(views.median)}, "
        f"{short(views.total)} in all."
    )
    ahead = _expected(analysis)
    if ahead:
        text += (
            f" Forecast for the next seven days: {short(ahead.week)} views, between "
            f"{short(ahead.week_low)} and {short(ahead.week_high)} with {ahead.level:.0%} chance."
        )
    return text
