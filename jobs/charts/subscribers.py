"""The subscriber counter over time, with the range that its rounding leaves."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.analysis.columns import aware
from jobs.analysis.daily_gains import readings_of
from jobs.analysis.rounding import resolution_at
from jobs.analysis.wording import day, number, short, signed
from jobs.charts import vega_lite as vl
from jobs.charts.chart import Table
from jobs.charts.phrases import subscriber_days
from jobs.charts.theme import BLUE, ORANGE, WIDTH, count_axis, finished, rows, stamp, time_axis
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.forecast import SubscriberForecast
    from jobs.analysis.growth import SubscriberGrowth
    from jobs.channel.data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 3
_MOST = 800
_UNIT = "subscribers"
_TABLE_ROWS = 28


def subscribers(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the counter as steps; None if it never moved, or was read fewer than three times."""
    if not (analysis.growth.present and analysis.growth.subscribers.present):
        return None
    found = analysis.growth.subscribers
    instants, values = readings_of(data.daily, "subscribers")
    known = np.flatnonzero(values > 0)[-_MOST:]
    if known.size < _FEWEST or np.ptp(values[known]) == 0:
        return None
    rounded = found.resolution > 1
    steps = resolution_at(values[known]) if rounded else np.zeros(known.size)
    points: list[dict[str, Any]] = [
        {"day": stamp(aware(instants[i])), "low": values[i], "high": values[i] + step}
        for i, step in zip(known.tolist(), steps.tolist(), strict=True)
    ]
    ahead = _expected(analysis)
    first, last = (aware(instants[known[i]]).date() for i in (0, -1))
    last = ahead.days[-1].day if ahead else last
    return finished(
        "subscribers",
        vl.layer(*_layers(points, ahead, first, last)).properties(width=WIDTH, height=170),
        title=_title(found),
        reading=_reading(found, ahead),
        description=(
            f"Subscribers, {counted(int(known.size), 'reading')}: from {number(found.first)} to "
            f"{number(found.last)}, a change of {signed(found.change)}."
        ),
        table=_table(points, ahead),
    )


def _layers(
    points: list[dict[str, Any]], ahead: SubscriberForecast | None, first: date, last: date
) -> Iterator[vl.View]:
    x, y = time_axis("day", first, last), count_axis("low", _UNIT, zero=False)
    readings = rows(points)
    if any(point["high"] > point["low"] for point in points):
        band = vl.mark("area", readings, interpolate="step-after", color=BLUE, opacity=0.16)
        yield band.encode(x=x, y=y, y2="high:Q")
    line = vl.mark("line", readings, interpolate="step-after", strokeWidth=2.5, color=BLUE)
    yield line.encode(x=x, y=y)
    if ahead:
        days = rows([{**one.model_dump(), "day": stamp(one.day)} for one in ahead.days])
        band = vl.mark("area", days, color=ORANGE, opacity=0.22)
        yield band.encode(x=x, y=y, y2="high:Q")
        line = vl.mark("line", days, strokeWidth=2.5, strokeDash=[5, 3], color=ORANGE)
        yield line.encode(x=x, y=count_axis("value", _UNIT, zero=False))


def _expected(analysis: ChannelAnalysis) -> SubscriberForecast | None:
    found = analysis.forecast
    return found.subscribers if found.present and found.subscribers.present else None


def _table(points: list[dict[str, Any]], ahead: SubscriberForecast | None) -> Table:
    """Tabulate the newest readings and the forecast, the newest first."""
    expected = [
        [day(one.day), f"{short(one.value)} expected", f"{short(one.low)} to {short(one.high)}"]
        for one in (ahead.days if ahead else [])
    ]
    read = [
        [day(date.fromisoformat(point["day"][:10])), number(point["low"]), ""]
        for point in points[-_TABLE_ROWS:]
    ]
    return Table(["Day (UTC)", "Subscribers", "80% interval"], [*read, *expected][::-1])


def _title(found: SubscriberGrowth) -> str:
    over = f"in {subscriber_days(found)}"
    if found.direction == "unclear":
        return f"Subscribers: no change {over} that the counter would show"
    verb = "grew" if found.direction == "up" else "fell"
    if found.resolution == 1:
        return f"Subscribers {verb} by {number(abs(found.change))} {over}"
    # The bounds are exclusive; the round numbers one off read better.
    least, most = sorted((abs(found.low - 1), abs(found.high + 1)))
    return f"Subscribers {verb} by {short(least)} to {short(most)} {over}"


def _reading(found: SubscriberGrowth, ahead: SubscriberForecast | None) -> str:
    text = "The counter as it was read"
    if found.resolution > 1:
        text = (
            f"The source rounds down to steps of {number(found.resolution)}: the true count lies "
            "in the band"
        )
    if ahead:
        text += f"; dashed: the forecast with its {ahead.level:.0%} interval"
    return f"{text}. The axis does not start at zero."
