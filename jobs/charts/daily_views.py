"""Views per day: each day, the trend with its middle half, gaps, and the week ahead."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from jobs.analysis.daily_gains import gains_of
from jobs.analysis.wording import change, counted, number, short
from jobs.charts.theme import (
    BLUE,
    GRID,
    ORANGE,
    SKY,
    VERMILLION,
    WIDTH,
    count_axis,
    finished,
    rows,
    stamp,
    time_axis,
)

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.daily_gains import DailyGains
    from jobs.analysis.growth import ViewGrowth
    from jobs.channel_data import ChannelData
    from jobs.charts.chart import Chart

_SHOWN_DAYS = 400
_AROUND = 3
_FEWEST_AROUND = 4
_DAY = "views on the day"
_TREND = "7-day median, with the middle half of the days around"
_AHEAD = "forecast, 80% interval"


def daily_views(data: ChannelData, analysis: ChannelAnalysis) -> Chart | None:
    """Draw the gains of the view counter per UTC day; None where they are not known."""
    if not (analysis.growth.present and analysis.growth.views.present):
        return None
    gains = gains_of(data.daily, "views")
    views, ahead = analysis.growth.views, analysis.forecast
    first: date = gains.days[max(0, gains.days.size - _SHOWN_DAYS)].item()
    last = ahead.days[-1].day if ahead.present else views.last_day
    x, y = time_axis(first, last), count_axis("views per day")
    series = [_DAY, _TREND, *([_AHEAD] if ahead.present else [])]
    colour = alt.Scale(domain=series, range=[SKY, BLUE, ORANGE][: len(series)])

    def named(name: str) -> alt.ColorDatum:
        return alt.ColorDatum(
            name, type="nominal", scale=colour, legend=alt.Legend(symbolType="circle")
        )

    trend = rows(_trend(gains, first))
    band = {"x": x, "y": y.copy()}
    layers: list[alt.Chart] = [
        *_gap_layers(gains, first, x),
        alt.Chart(trend)
        .mark_area(opacity=0.18)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=named(_TREND)),
        alt.Chart(rows(_days(gains, first)))
        .mark_circle(size=26, opacity=0.85)
        .encode(x=x, y=band["y"].copy(), color=named(_DAY)),
        alt.Chart(trend)
        .mark_line(strokeWidth=2.5)
        .encode(x=x, y=alt.Y("median:Q"), color=named(_TREND)),
    ]
    layers[-2].encoding.y = _on(y, "views")
    if ahead.present:
        expected = rows(
            [
                {"day": stamp(d.day), "views": d.views, "low": d.low, "high": d.high}
                for d in ahead.days
            ]
        )
        layers += [
            alt.Chart(expected)
            .mark_area(opacity=0.22)
            .encode(x=x, y="low:Q", y2="high:Q", color=named(_AHEAD)),
            alt.Chart(expected)
            .mark_line(strokeWidth=2.5, strokeDash=[5, 3])
            .encode(x=x, y="views:Q", color=named(_AHEAD)),
        ]
    return finished(
        "daily-views",
        alt.layer(*layers).properties(width=WIDTH, height=280),
        title=_title(views),
        reading=_reading(gains),
        description=_description(views, analysis),
    )
