"""
Forecast the next two weeks, assuming that nothing changes.

Each method of `forecast_methods` is tried at every earlier day of the channel (rolling origin) and
weighted by how well it did at each horizon. Intervals are as wide as the errors of the weighted
forecast on those days, with quantiles of many channels. The reported errors are out of sample.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis import forecast_methods
from jobs.analysis.daily_gains import channel_gains, last_of_each_day, readings_of
from jobs.analysis.forecast_intervals import (
    LEVEL,
    SUBSCRIBERS,
    intervals,
    week_intervals,
)
from jobs.analysis.forecast_methods import BASELINE, METHODS, view_scale
from jobs.analysis.forecast_subscribers import PACES, combined_path
from jobs.analysis.platform_days import factors
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData
    from jobs.channel.platform_day import PlatformDay

HORIZON = 14
HISTORY = 168
"""Days of history: those whose errors count, and those they were forecast from."""

FEWEST = 14
_FEWEST_ORIGINS = 7


class DayAhead(BaseModel):
    """The *value* expected on *day*, and its interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    value: float
    low: float
    high: float


class MethodWeight(BaseModel):
    """The *weight* of *method* (all weights sum to one), and its own error one day ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    weight: float
    error: float | None


class ViewForecast(Section):
    """
    Views on each of the coming *days* and in the first 7 of them, with intervals at *level*.

    *method* describes the forecast in words; *weights* are its parts, the largest first. *origins*
    is the number of earlier days on which it was tried. *next_day_error* is its mean absolute
    error one day ahead over the mean daily views, *baseline_error* that of the 7-day median over
    the same days; both are None without any views.
    """

    method: str
    weights: list[MethodWeight]
    level: float
    days: list[DayAhead]
    week: float
    week_low: float
    week_high: float
    origins: int
    next_day_error: float | None
    baseline_error: float | None


class SubscriberForecast(Section):
    """
    The counter of subscribers at the end of each of the coming *days*, with intervals at *level*.

    Its last reading was *last*, in steps of *resolution*. *next_day_error* is the mean absolute
    error of *method* one day ahead, in subscribers, over *origins* earlier days.
    """

    method: str
    level: float
    last: int
    resolution: int
    days: list[DayAhead]
    origins: int
    next_day_error: float


class Forecast(Section):
    """The forecasts of views and of subscribers; each may be missing on its own."""

    views: Annotated[ViewForecast | Missing, Field(discriminator="present")]
    subscribers: Annotated[SubscriberForecast | Missing, Field(discriminator="present")]


def forecast(data: ChannelData) -> Forecast | Missing:
    """Forecast the coming days, or return why the data is too little for it."""
    if data.daily.is_empty() and data.gains.is_empty():
        return Missing(reason="The source gives no counters of the channel as a whole.")
    instants, counts = readings_of(data.daily, "subscribers")
    known = counts > 0
    return Forecast(
        views=forecast_views(channel_gains(data, "views"), data.platform_days),
        subscribers=forecast_subscribers(*last_of_each_day(instants[known], counts[known])),
    )


def forecast_views(
    gains: DailyGains, platform: Sequence[PlatformDay] = ()
) -> ViewForecast | Missing:
    """
    Forecast daily views for the `HORIZON` days after the last reading.

    What the *platform* owes after a day on which it counted late comes on the first of them.

    The forecast is the mean of all `METHODS`, weighted at each horizon by
    `forecast_methods.weights`; its intervals, and the week's, come from `forecast_intervals`.
    """
    series = gains.gains[None, -HISTORY:]
    methods = forecast_methods.paths(
        series, HORIZON, factors(platform, gains.days[-HISTORY:]) if platform else None
    )
    known = int(np.count_nonzero(~np.isnan(series)))
    if known < FEWEST or np.isnan(methods[0, 0, -1, 0]):
        return Missing(
            reason=f"A forecast needs {FEWEST} days of known views, four of the last seven among "
            f"them; {known} of the last {HISTORY} are known."
        )
    weight = forecast_methods.weights(methods, series)
    ahead = (weight * methods).sum(axis=0)
    scale = view_scale(ahead, series)
    low, high = intervals(ahead, series, scale)
    week, week_low, week_high = (
        float(each[0, -1]) for each in week_intervals(ahead, series, scale)
    )
    tried = ~np.isnan(ahead[0, :-1, 0]) & ~np.isnan(series[0])
    listed = _weights(methods[:, 0, :-1, 0], weight[:, 0, -1, 0], series[0], tried)
    baseline = methods[METHODS.index(BASELINE), 0, :-1, 0]
    return ViewForecast(
        method=f"mean of {len(METHODS)} methods, weighted by their past errors here; "
        f"most of all: {listed[0].method}",
        weights=listed,
        level=LEVEL,
        days=_days(gains.days[-1].item(), ahead[0, -1], low[0, -1], high[0, -1]),
        week=week,
        week_low=week_low,
        week_high=week_high,
        origins=int(np.count_nonzero(tried)),
        next_day_error=_error(ahead[0, :-1, 0], series[0], tried),
        baseline_error=_error(baseline, series[0], tried),
    )


def forecast_subscribers(
    days: NDArray[np.datetime64], counts: NDArray[np.float64]
) -> SubscriberForecast | Missing:
    """
    Continue the counter (*counts*, one per day of *days*) for `HORIZON` days after the last.

    The recent pace continues. It is measured over several periods (`forecast_subscribers.PACES`),
    each weighted by its past errors at that horizon. Days without a reading count neither as
    growth nor as errors.
    """
    if days.size == 0:
        return Missing(reason="The source gives no subscribers.")
    kept = days > days[-1] - np.timedelta64(HISTORY, "D")
    places = (days[kept] - days[-1]).astype(int) + HISTORY - 1
    series = np.full((1, HISTORY), np.nan)
    series[0, places] = counts[kept]
    series = series[:, places[0] :]
    if np.count_nonzero(kept) < _FEWEST_ORIGINS + 1:
        return Missing(
            reason=f"A forecast of subscribers needs {_FEWEST_ORIGINS + 1} days of readings; "
            f"{np.count_nonzero(kept)} are there."
        )
    step = step_of(counts[kept])
    ahead, scale, weight = combined_path(series, np.array([float(step)]), HORIZON)
    low, high = intervals(ahead, series, scale, SUBSCRIBERS)
    errors = np.abs(series[0] - ahead[0, :-1, 0])
    best = PACES[int(np.argmax(weight[:, 0, -1, -1]))]
    return SubscriberForecast(
        method="the counter stands still"
        if best == 0
        else f"the pace of {best} days goes on, above all",
        level=LEVEL,
        last=int(counts[-1]),
        resolution=step,
        days=_days(days[-1].item(), ahead[0, -1], low[0, -1], high[0, -1]),
        origins=int(np.count_nonzero(~np.isnan(errors))),
        next_day_error=float(np.nanmean(errors)),
    )


def _days(
    last: date,
    values: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[DayAhead]:
    return [
        DayAhead(day=last + timedelta(days=i), value=value, low=lower, high=upper)
        for i, (value, lower, upper) in enumerate(
            zip(values.tolist(), low.tolist(), high.tolist(), strict=True), start=1
        )
    ]


def _weights(
    forecasts: NDArray[np.float64],
    weight: NDArray[np.float64],
    actual: NDArray[np.float64],
    tried: NDArray[np.bool_],
) -> list[MethodWeight]:
    found = [
        MethodWeight(
            method=name, weight=float(weight[i]), error=_error(forecasts[i], actual, tried)
        )
        for i, name in enumerate(METHODS)
    ]
    return sorted(found, key=lambda one: -one.weight)


def _error(
    forecasts: NDArray[np.float64], actual: NDArray[np.float64], tried: NDArray[np.bool_]
) -> float | None:
    """Return the mean absolute error over the mean gain, None if there was no gain."""
    total = float(actual[tried].sum())
    return float(np.abs(forecasts - actual)[tried].sum()) / total if total > 0 else None
