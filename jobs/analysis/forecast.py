"""
What the next seven days bring if nothing changes.

The method is the best of the simple baselines: the median of the last seven known days, the same
for each day ahead. Its intervals come from its own past errors: the forecast is made again at
every earlier day (rolling origin), and the errors seen then give the quantiles. Nothing is
fitted, so those errors are honest.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.analysis.columns import floats_of
from jobs.analysis.daily_gains import gains_told
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel_data import ChannelData

WINDOW = 7
HORIZON = 7
LEVEL = 0.8
_FEWEST_IN_WINDOW = 4
_FEWEST_ORIGINS = 7


class DayAhead(BaseModel):
    """Views expected on *day*, and the interval that should hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    views: float
    low: float
    high: float


class Forecast(Section):
    """
    Views of the coming days, each with an interval at *level*, and of the whole week.

    *origins* is the number of earlier days at which the method was tried. *next_day_error* is its
    mean absolute error one day ahead over the mean daily views, None without any views.
    """

    method: str
    level: float
    days: list[DayAhead]
    week: float
    week_low: float
    week_high: float
    origins: int
    next_day_error: float | None


def forecast(data: ChannelData) -> Forecast | Missing:
    """Return the views expected per day, or why there is too little to go by."""
    if np.isnan(floats_of(data.daily["views"])).all():
        return Missing(reason="The source tells no views of the channel as a whole.")
    return forecast_views(gains_told(data, "views"))


def forecast_views(gains: DailyGains) -> Forecast | Missing:
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
    sums = day_errors.mean(axis=1)
    sums = sums[~np.isnan(sums)]
    week_low, week_high = (
        _interval(level_now, sums, sums.size // HORIZON)
        if sums.size >= 3 * HORIZON
        else (low, high)
    )
    last_day: date = gains.days[-1].item()
    return Forecast(
        method=f"median of the last {WINDOW} known days",
        level=LEVEL,
        days=[
            DayAhead(day=last_day + timedelta(days=ahead), views=level_now, low=low, high=high)
            for ahead in range(1, HORIZON + 1)
        ],
        week=HORIZON * level_now,
        week_low=HORIZON * week_low,
        week_high=HORIZON * week_high,
        origins=int(origins.size),
        next_day_error=_next_day_error(gains.gains, centres, origins),
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
