"""
What the next two weeks bring if nothing changes.

The method is the best of the simple baselines: the median of the last seven known days, the same
for each day ahead. Its intervals come from its own past errors: the forecast is made again at
every earlier day (rolling origin), and the errors seen then give the quantiles. Nothing is
fitted, so those errors are honest.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.daily_gains import gains_told, last_of_each_day, readings_of
from jobs.analysis.rounding import step_of
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel_data import ChannelData

WINDOW = 7
HORIZON = 14
WEEK = 7
LEVEL = 0.8
PACE = 28
_FEWEST_IN_WINDOW = 4
_FEWEST_ORIGINS = 7


class DayAhead(BaseModel):
    """What is expected of *day*, and the interval that should hold it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    value: float
    low: float
    high: float


class ViewForecast(Section):
    """
    Views on each of the coming *days*, with an interval at *level*, and in the first 7 of them.

    *method* says in words how it was made. *origins* is the number of earlier days at which that
    method was tried. *next_day_error* is its mean absolute error one day ahead over the mean daily
    views, *baseline_error* that of the 7-day median over the same days; None without any views.
    """

    method: str
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

    Intervals are the `(1 ± level)/2` quantiles of past errors, all horizons together, added to
    the forecast and cut off at zero. With n origins the upper quantile q is taken at
    `q·(1 + 1/n)`, the lower one alike (split conformal prediction, J. Lei et al. 2018): n counts
    origins, not errors, because the errors of one origin move together. The interval of the
    week's sum is made alike from past sums of 7 days.
    """
    centres = _trailing_medians(gains.gains)
    origins = np.flatnonzero(~np.isnan(centres[:-1]))
    day_errors = _errors(gains.gains, centres, origins)
    if not centres.size or np.isnan(centres[-1]) or origins.size < _FEWEST_ORIGINS:
        return Missing(
            reason=f"A forecast needs two weeks of daily views, {_FEWEST_IN_WINDOW} of the last "
            f"{WINDOW} days among them; {gains.known.size} days are known."
        )
    level_now = float(centres[-1])
    low, high = _interval(level_now, day_errors[~np.isnan(day_errors)], origins.size)
    # A week's sum varies less than seven single days would suggest; with fewer than three whole
    # weeks behind, the daily interval stands in for it, which is wider.
    sums = day_errors[:, :WEEK].mean(axis=1)
    sums = sums[~np.isnan(sums)]
    week_low, week_high = (
        _interval(level_now, sums, sums.size // WEEK) if sums.size >= 3 * WEEK else (low, high)
    )
    last_day: date = gains.days[-1].item()
    error = _next_day_error(gains.gains, centres, origins)
    return ViewForecast(
        method=f"median of the last {WINDOW} known days",
        level=LEVEL,
        days=[
            DayAhead(day=last_day + timedelta(days=ahead), value=level_now, low=low, high=high)
            for ahead in range(1, HORIZON + 1)
        ],
        week=WEEK * level_now,
        week_low=WEEK * week_low,
        week_high=WEEK * week_high,
        origins=int(origins.size),
        next_day_error=error,
        baseline_error=error,
    )


def forecast_subscribers(
    days: NDArray[np.datetime64], counts: NDArray[np.float64]
) -> SubscriberForecast | Missing:
    """
    Forecast the counter for `HORIZON` days: its pace over the last weeks goes on.

    The pace is the change over the last `PACE` days (or all there are) per day, which steps of a
    rounded counter disturb least. Intervals are the quantiles of past errors per horizon.
    """
    if days.size == 0:
        return Missing(reason="The source tells no subscribers.")
    values = np.interp(
        np.arange((days[-1] - days[0]).astype(int) + 1), (days - days[0]).astype(int), counts
    )
    origins = np.arange(WINDOW, values.size - 1)
    if origins.size < _FEWEST_ORIGINS:
        return Missing(
            reason=f"A forecast of subscribers needs two weeks of readings; {days.size} days "
            "are known."
        )
    places = np.append(origins, values.size - 1)
    before = np.minimum(places, PACE)
    pace = (values[places] - values[places - before]) / before
    ahead = np.arange(1, HORIZON + 1)
    centres = values[places][:, None] + pace[:, None] * ahead
    padded = np.append(values, np.full(HORIZON, np.nan))
    errors = padded[origins[:, None] + ahead] - centres[:-1]
    # Far horizons have few errors of their own; they are no smaller than those of nearer ones.
    spreads = [
        np.nanquantile(errors[:, h], [0.1, 0.9]) if h < origins.size else [0, 0]
        for h in range(HORIZON)
    ]
    low, high = (
        np.minimum.accumulate([s[0] for s in spreads]),
        np.maximum.accumulate([s[1] for s in spreads]),
    )
    last_day: date = days[-1].item()
    return SubscriberForecast(
        method="the pace of the last weeks goes on",
        level=LEVEL,
        last=int(counts[-1]),
        resolution=step_of(counts),
        days=[
            DayAhead(
                day=last_day + timedelta(days=h + 1),
                value=max(float(centres[-1, h]), 0.0),
                low=max(float(centres[-1, h] + min(low[h], 0)), 0.0),
                high=max(float(centres[-1, h] + max(high[h], 0)), 0.0),
            )
            for h in range(HORIZON)
        ],
        origins=int(origins.size),
        next_day_error=float(np.nanmean(np.abs(errors[:, 0]))),
    )


def _trailing_medians(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each day, the median over the `WINDOW` days ending there; NaN where too few are known."""
    if gains.size < WINDOW:
        return np.full(gains.size, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(gains, WINDOW)
    enough = np.count_nonzero(~np.isnan(windows), axis=1) >= _FEWEST_IN_WINDOW
    medians = np.full(gains.size, np.nan)
    medians[WINDOW - 1 :][enough] = np.nanmedian(windows[enough], axis=1)
    return medians


def _errors(
    gains: NDArray[np.float64], centres: NDArray[np.float64], origins: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Errors `actual - forecast` in views, a row per origin, a column per horizon."""
    padded = np.append(gains, np.full(HORIZON, np.nan))
    errors: NDArray[np.float64] = (
        padded[origins[:, None] + np.arange(1, HORIZON + 1)] - centres[origins][:, None]
    )
    return errors


def _interval(centre: float, errors: NDArray[np.float64], origins: int) -> tuple[float, float]:
    tail = 1 - (1 + LEVEL) / 2 * (1 + 1 / origins)
    low, high = centre + np.quantile(errors, [max(tail, 0.0), min(1 - tail, 1.0)])
    # The forecast itself always lies within: after a change of level all errors have one sign.
    return float(np.clip(low, 0, centre)), float(max(high, centre))


def _next_day_error(
    gains: NDArray[np.float64], centres: NDArray[np.float64], origins: NDArray[np.intp]
) -> float | None:
    errors = np.abs(gains[origins + 1] - centres[origins])
    actual = gains[origins + 1]
    if np.isnan(errors).all() or np.nansum(actual) <= 0:
        return None
    return float(np.nanmean(errors) / np.nanmean(actual))
