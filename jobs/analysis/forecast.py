"""
Forecast the next two weeks, assuming that nothing changes.

Each method of `forecast_methods` is tried at every earlier day of the channel (rolling origin) and
weighted by how well it did. Intervals come from the errors of the weighted forecast on those
days. Nothing is fitted on other channels, so the reported errors are out of sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis import forecast_intervals, forecast_methods
from jobs.analysis.daily_gains import channel_gains, last_of_each_day, readings_of
from jobs.analysis.forecast_intervals import LEVEL, ends_of, intervals
from jobs.analysis.forecast_methods import BASELINE, MEMORY, METHODS, WEEK, view_scale
from jobs.analysis.forecast_subscribers import GROWTH, PACES, combined_path
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

HORIZON = 14
HISTORY = 90
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
        return Missing(reason="The source tells no counters of the channel as a whole.")
    instants, counts = readings_of(data.daily, "subscribers")
    known = counts > 0
    views = _views_ahead(channel_gains(data, "views"))
    subscribers = _subscribers_ahead(*last_of_each_day(instants[known], counts[known]))
    # Both at once: the intervals of two series take hardly longer than those of one.
    ends = iter(_ends([one for one in (views, subscribers) if not isinstance(one, Missing)]))
    return Forecast(
        views=views if isinstance(views, Missing) else views.forecast(*next(ends)),
        subscribers=subscribers
        if isinstance(subscribers, Missing)
        else subscribers.forecast(*next(ends)),
    )


def forecast_views(gains: DailyGains) -> ViewForecast | Missing:
    """
    Forecast daily views for the `HORIZON` days after the last reading.

    The forecast is the mean of all `METHODS`, weighted by `forecast_methods.weights`; its
    intervals come from `forecast_intervals`. The interval of the week's sum comes from past sums
    of seven days, which vary less than seven single days would suggest.
    """
    found = _views_ahead(gains)
    return found if isinstance(found, Missing) else found.forecast(*_ends([found])[0])


@dataclass(frozen=True, slots=True)
class _Views:
    """The path of views ahead from each day, and how it was made."""

    last_day: date
    series: NDArray[np.float64]
    forecasts: NDArray[np.float64]
    weight: NDArray[np.float64]
    ahead: NDArray[np.float64]
    scale: NDArray[np.float64]
    growth: float = forecast_intervals.GROWTH

    def forecast(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> ViewForecast:
        """Return the forecast from the last day, with the ends of its intervals."""
        ahead, series = self.ahead, self.series
        tried = ~np.isnan(ahead[0, :-1, 0]) & ~np.isnan(series[0])
        week, week_low, week_high = _week(ahead, series, self.scale)
        methods = _weights(self.forecasts[:, 0, :-1], self.weight[:, 0, -1], series[0], tried)
        baseline = self.forecasts[METHODS.index(BASELINE), 0, :-1]
        return ViewForecast(
            method=f"mean of {len(METHODS)} methods, weighted by their past errors here; "
            f"most of all: {methods[0].method}",
            weights=methods,
            level=LEVEL,
            days=_days(self.last_day, ahead[0, -1], low, high),
            week=week,
            week_low=week_low,
            week_high=week_high,
            origins=int(np.count_nonzero(tried)),
            next_day_error=_error(ahead[0, :-1, 0], series[0], tried),
            baseline_error=_error(baseline, series[0], tried),
        )


def _views_ahead(gains: DailyGains) -> _Views | Missing:
    series = gains.gains[None, -HISTORY:]
    forecasts = forecast_methods.next_days(series)
    if np.count_nonzero(~np.isnan(series)) < FEWEST or np.isnan(forecasts[0, 0, -1]):
        return Missing(
            reason=f"A forecast needs {FEWEST} days of known views, four of the last seven among "
            f"them; {np.count_nonzero(~np.isnan(series))} of the last {HISTORY} are known."
        )
    weight = forecast_methods.weights(forecasts, series)
    ahead = forecast_methods.combined(forecasts, weight, series, HORIZON)
    return _Views(
        gains.days[-1].item(), series, forecasts, weight, ahead, view_scale(ahead, series)
    )


@dataclass(frozen=True, slots=True)
class _Subscribers:
    """The path of subscribers ahead from each day, and how it was made."""

    last_day: date
    last: int
    step: int
    series: NDArray[np.float64]
    weight: NDArray[np.float64]
    ahead: NDArray[np.float64]
    scale: NDArray[np.float64]
    growth: float = GROWTH

    def forecast(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> SubscriberForecast:
        """Return the forecast from the last day, with the ends of its intervals."""
        errors = np.abs(self.series[0] - self.ahead[0, :-1, 0])
        best = PACES[int(np.argmax(self.weight[:, 0, -1, -1]))]
        return SubscriberForecast(
            method="the counter stands still"
            if best == 0
            else f"the pace of {best} days goes on, above all",
            level=LEVEL,
            last=self.last,
            resolution=self.step,
            days=_days(self.last_day, self.ahead[0, -1], low, high),
            origins=int(np.count_nonzero(~np.isnan(errors))),
            next_day_error=float(np.nanmean(errors)),
        )


def _subscribers_ahead(
    days: NDArray[np.datetime64], counts: NDArray[np.float64]
) -> _Subscribers | Missing:
    """
    Continue the counter (*counts*, one per day of *days*) for `HORIZON` days after the last.

    The recent pace continues. It is measured over several periods (`forecast_subscribers.PACES`),
    each weighted by its past errors at that horizon. Days without a reading count neither as
    growth nor as errors.
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
    return _Subscribers(days[-1].item(), int(counts[-1]), step, series, weight, ahead, scale)


def _ends(
    found: Sequence[_Views | _Subscribers],
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the ends of the intervals from the last day of each; shorter series begin later."""
    if not found:
        return []
    days = max(one.series.shape[1] for one in found)

    def stacked(each: Sequence[NDArray[np.float64]], length: int) -> NDArray[np.float64]:
        whole = np.full((len(each), length, *each[0].shape[2:]), np.nan)
        for row, one in zip(whole, each, strict=True):
            row[length - one.shape[1] :] = one[0]
        return whole

    low, high = intervals(
        stacked([one.ahead for one in found], days + 1),
        stacked([one.series for one in found], days),
        stacked([one.scale for one in found], days + 1),
        np.array([one.growth for one in found]),
        slice(-1, None),
    )
    return list(zip(low[:, 0], high[:, 0], strict=True))


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


def _week(
    ahead: NDArray[np.float64], series: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the sum of the next seven days, and its interval from past sums of seven days."""
    sums = ahead[0, :, :WEEK].sum(axis=1)
    outcomes = np.convolve(series[0], np.ones(WEEK), mode="valid")
    scale = scale[0, :, :WEEK].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = (outcomes - sums[: outcomes.size]) / scale[: outcomes.size]
    lower, upper = ends_of(errors[np.isfinite(errors)][-MEMORY:], WEEK - 1)
    low, high = sums[-1] + scale[-1] * lower, sums[-1] + scale[-1] * upper
    return (
        float(sums[-1]),
        float(np.clip(low, 0, sums[-1])),
        float(max(high, sums[-1])),
    )


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
