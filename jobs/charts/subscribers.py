"""The subscriber counter over time, with what its rounding leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from jobs.analysis.columns import aware
from jobs.analysis.daily_gains import readings_of
from jobs.analysis.rounding import resolution_at
from jobs.analysis.wording import counted, number, short, signed
from jobs.charts.story import subscriber_days
from jobs.charts.theme import BLUE, WIDTH, count_axis, finished, rows, stamp, time_axis

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.growth import SubscriberGrowth
    from jobs.channel_data import ChannelData
    from jobs.charts.chart import Chart

_FEWEST = 3
_MOST = 800
_UNIT = "subscribers"


def subscribers(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the counter as steps; None where it never moved, or was read less than thrice."""
    if not (analysis.growth.present and analysis.growth.subscribers.present):
        return None
    found = analysis.growth.subscribers
    instants, values = readings_of(data.daily, "subscribers")
    told = np.flatnonzero(values > 0)[-_MOST:]
    if told.size < _FEWEST or np.ptp(values[told]) == 0:
        return None
    rounded = found.resolution > 1
    steps = resolution_at(values[told]) if rounded else np.zeros(told.size)
    points: list[dict[str, Any]] = [
        {"day": stamp(aware(instants[i])), "low": values[i], "high": values[i] + step}
        for i, step in zip(told.tolist(), steps.tolist(), strict=True)
    ]
    x = time_axis("day", aware(instants[told[0]]), aware(instants[told[-1]]))
    line = alt.Chart(rows(points)).mark_line(interpolate="step-after", strokeWidth=2.5, color=BLUE)
    layers = [line.encode(x=x, y=count_axis("low", _UNIT, zero=False))]
    if rounded:
        band = alt.Chart(rows(points)).mark_area(interpolate="step-after", color=BLUE, opacity=0.16)
        layers.insert(0, band.encode(x=x, y=count_axis("low", _UNIT, zero=False), y2="high:Q"))
    return finished(
        "subscribers",
        alt.layer(*layers).properties(width=WIDTH, height=170),
        title=_title(found),
        reading=_reading(found),
        description=(
            f"Subscribers, {counted(int(told.size), 'reading')}: from {number(found.first)} to "
            f"{number(found.last)}, a change of {signed(found.change)}."
        ),
    )


def _title(found: SubscriberGrowth) -> str:
    over = f"in {subscriber_days(found)}"
    if found.direction == "unclear":
        return f"Subscribers: no change {over} that the counter would show"
    verb = "grew" if found.direction == "up" else "fell"
    if found.resolution == 1:
        return f"Subscribers {verb} by {number(abs(found.change))} {over}"
    # The bounds themselves are out of reach; round numbers one off read better.
    least, most = sorted((abs(found.low - 1), abs(found.high + 1)))
    return f"Subscribers {verb} by {short(least)} to {short(most)} {over}"


def _reading(found: SubscriberGrowth) -> str:
    if found.resolution == 1:
        return "The counter as it was read; the axis does not start at zero."
    return (
        f"The source rounds down to steps of {number(found.resolution)}: the true count lies in "
        "the band. The axis does not start at zero."
    )
