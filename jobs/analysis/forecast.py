"""
What the next two weeks bring if nothing changes.

Every method of `forecast_methods` is tried at each earlier day of the channel (rolling origin), and
counts by how well it did there. Intervals come from what the weighted forecast was off at those
days. Nothing is fitted on other channels, so that the errors told are honest.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis import forecast_methods
from jobs.analysis.daily_gains import gains_told, last_of_each_day, readings_of
from jobs.analysis.forecast_intervals import LEVEL, ends_of, intervals
from jobs.analysis.forecast_methods import BASELINE, MEMORY, METHODS, WEEK, view_scale
from jobs.analysis.forecast_subscribers import GROWTH, PACES, combined_path
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

HORIZON = 14
HISTORY = 90
"""Days looked back on: those whose errors are remembered, and what they were forecast from."""

FEWEST = 14
_FEWEST_ORIGINS = 7


class DayAhead(BaseModel):
    """What is expected of *day*, and the interval that should hold it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    value: float
    low: float
    high: float


class MethodWeight(BaseModel):
    """How much *method* counts (all weights sum to one), and its own error one day ahead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    weight: float
    error: float | None


class ViewForecast(Section):
    """
    Views on each of the coming *days*, with an interval at *level*, and in the first 7 of them.

    *method* says in words how it was made, *weights* of what, the most important first. *origins*
    is the number of earlier days at which it was tried. *next_day_error* is its mean absolute
    error one day ahead over the mean daily views, *baseline_error* that of the 7-day median over
    the same days; None without any views.
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

    It stood at *last*, read in steps of *resolution*. *next_day_error* is the mean absolute error
    of *method* one day ahead, in subscribers, over *origins* earlier days.
    """

    method: str
    level: float
    last: int
    resolution: int
    days: list[DayAhead]
    origins: int
    next_day_error: float


class Forecast(Section):
    """What is expected of views and of subscribers; either may be missing on its own."""

    views: Annotated[ViewForecast | Missing, Field(discriminator="present")]
    subscribers: Annotated[SubscriberForecast | Missing, Field(discriminator="present")]


def forecast(data: ChannelData) -> Forecast | Missing:
    """Return what is expected of the coming days, or why there is too little to go by."""
    if data.daily.is_empty() and data.gains.is_empty():
        return Missing(reason="The source tells no counters of the channel as a whole.")
    instants, counts = readings_of(data.daily, "subscribers")
    told = counts > 0
    return Forecast(
        views=forecast_views(gains_told(data, "views")),
        subscribers=forecast_subscribers(*last_of_each_day(instants[told], counts[told])),
    )


def forecast_views(gains: DailyGains) -> ViewForecast | Missing:
    """
    Forecast daily views for the `HORIZON` days after the last reading.

    The forecast is the mean of all `METHODS`, weighted by `forecast_methods.weights`; the
    intervals are those of `forecast_intervals`. The interval of the week's sum is made alike from
    past sums of seven days, which vary less than seven single days would suggest.
    """
    series = gains.gains[None, -HISTORY:]
    said = forecast_methods.next_days(series)
    if np.count_nonzero(~np.isnan(series)) < FEWEST or np.isnan(said[0, 0, -1]):
        return Missing(
            reason=f"A forecast needs {FEWEST} days of known views, four of the last seven among "
            f"them; {np.count_nonzero(~np.isnan(series))} of the last {HISTORY} are known."
        )
    weight = forecast_methods.weights(said, series)
    ahead = forecast_methods.combined(said, weight, series, HORIZON)
    low, high = intervals(ahead, series, view_scale(ahead, series))
    tried = ~np.isnan(ahead[0, :-1, 0]) & ~np.isnan(series[0])
    week, week_low, week_high = _week(ahead, series)
    methods = _weights(said[:, 0, :-1], weight[:, 0, -1], series[0], tried)
    return ViewForecast(
        method=f"mean of {len(METHODS)} methods, weighted by their past errors here; "
        f"most of all: {methods[0].method}",
        weights=methods,
        level=LEVEL,
        days=_days(gains.days[-1].item(), ahead[0, -1], low[0, -1], high[0, -1]),
        week=week,
        week_low=week_low,
        week_high=week_high,
        origins=int(np.count_nonzero(tried)),
        next_day_error=_error(ahead[0, :-1, 0], series[0], tried),
        baseline_error=_error(said[METHODS.index(BASELINE), 0, :-1], series[0], tried),
    )


def forecast_subscribers(
    days: NDArray[np.datetime64], counts: NDArray[np.float64]
) -> SubscriberForecast | Missing:
    """
    Forecast the counter (*counts*, one per day of *days*) for `HORIZON` days after the last.

    The pace goes on, taken over several stretches at once (`forecast_subscribers.PACES`), each
    weighted by its past errors at that distance; intervals are those of `forecast_intervals`. Days
    without a reading are neither growth nor errors.
    """
    if days.size == 0:
        return Missing(reason="The source tells no subscribers.")
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
    low, high = intervals(ahead, series, scale, GROWTH)
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


def _week(ahead: NDArray[np.float64], series: NDArray[np.float64]) -> tuple[float, float, float]:
    """The sum of seven days ahead, and the interval that past sums of seven days give it."""
    said = ahead[0, :, :WEEK].sum(axis=1)
    came = np.convolve(series[0], np.ones(WEEK), mode="valid")
    scale = view_scale(ahead, series)[0, :, :WEEK].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = (came - said[: came.size]) / scale[: came.size]
    lower, upper = ends_of(errors[np.isfinite(errors)][-MEMORY:], WEEK - 1)
    low, high = said[-1] + scale[-1] * lower, said[-1] + scale[-1] * upper
    return float(said[-1]), float(np.clip(low, 0, said[-1])), float(max(high, said[-1]))


def _weights(
    said: NDArray[np.float64],
    weight: NDArray[np.float64],
    actual: NDArray[np.float64],
    tried: NDArray[np.bool_],
) -> list[MethodWeight]:
    found = [
        MethodWeight(method=name, weight=float(weight[i]), error=_error(said[i], actual, tried))
        for i, name in enumerate(METHODS)
    ]
    return sorted(found, key=lambda one: -one.weight)


def _error(
    said: NDArray[np.float64], actual: NDArray[np.float64], tried: NDArray[np.bool_]
) -> float | None:
    """Mean absolute error over mean gain, None where there was no gain."""
    total = float(actual[tried].sum())
    return float(np.abs(said - actual)[tried].sum()) / total if total > 0 else None
