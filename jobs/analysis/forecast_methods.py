"""
Ways to forecast a daily series, tried on every day of its past at once.

All of them take arrays of shape (channels, days), NaN where a day is unknown. For each day t they
return the forecast made from the days before t; the last column is the day after the series.
Doubling the unit doubles every forecast. Nothing is fitted to other channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WEEK: Final = 7
MEMORY: Final = 56
"""Days of past errors that weight the methods; older ones say little about the channel now."""

LEARNING: Final = 0.5
"""How fast a method loses weight, per error as large as one day's usual gain."""

BASELINE: Final = "median of 7 days"
_FEWEST_IN_WEEK = 4
_STILL = 0.05
_LOW = 0.5
_BELOW_LOWEST = 0.6
_OWED = 0.8
_FARTHEST = 3.0
_LEAST = 0.25
_SMOOTHING = (0.1, 0.3, 0.5)
_LEVELS: tuple[tuple[str, int, float], ...] = (
    ("median of 3 days", 3, 1 / 2),
    (BASELINE, 7, 1 / 2),
    ("lower third of 7 days", 7, 1 / 3),
    ("median of 14 days", 14, 1 / 2),
    ("lower quartile of 14 days", 14, 1 / 4),
    ("median of 28 days", 28, 1 / 2),
)
SEASONAL: Final = "the same weekday a week ago"

METHODS: Final = (
    *(name for name, _, _ in _LEVELS),
    *(f"exponential smoothing by {alpha}" for alpha in _SMOOTHING),
    "the last day",
    SEASONAL,
)


def next_days(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the forecast of each of `METHODS` for each day, shape (methods, channels, days + 1).

    NaN where fewer than four of the seven days before are known. Levels are medians and quantiles
    of the last days; simple exponential smoothing skips unknown days (R. G. Brown 1956). The same
    weekday a week ago is clipped to between a third and three times the 7-day median, and replaced
    by that median if unknown. `arrears` is added to all of them.
    """
    past = before_each(gains)
    levels = list(_levels(past))
    week = levels[METHODS.index(BASELINE)].copy()
    week[_known(past, WEEK) < _FEWEST_IN_WEEK] = np.nan
    found = [*levels, *_smoothed(past), last_known(past), _week_ago(past, week)]
    forecasts = np.stack([np.where(np.isnan(each), week, each) for each in found])
    forecasts[:, np.isnan(week)] = np.nan
    return forecasts + arrears(past, week)


def arrears(past: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the gain still owed for days on which the counter was updated late.

    Counters are updated in batches. A day with less than a twentieth of the *usual* gain was not
    idle: its views arrive the day after, on top of that day's own; so do those of up to three such
    days in a row. A day below half of the usual and clearly below each of the six days before
    (`_BELOW_LOWEST` times the lowest) was partly late: `_OWED` of its shortfall is still owed.
    Both arrays end with the day before the forecast day.
    """
    owed = np.zeros_like(past)
    still = np.ones(past.shape, dtype=bool)
    for back in range(3):
        shifted = _shifted(past, back)
        still &= shifted <= _STILL * usual
        owed += np.where(still, usual - np.nan_to_num(shifted), 0.0)
    before = np.sort(_windows(_shifted(past, 1), WEEK - 1), axis=2)
    enough = ~np.isnan(before[:, :, _FEWEST_IN_WEEK - 1])
    late = enough & (past < _LOW * usual) & (past < _BELOW_LOWEST * before[:, :, 0])
    return owed + np.where(late & (past > _STILL * usual), _OWED * (usual - past), 0.0)


def weights(forecasts: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the weight of each method on each day, shaped like *forecasts*; they sum to one.

    A method's weight is proportional to `exp(-LEARNING · Σ|error| / mean gain)` over the `MEMORY`
    days before: all methods start equal, and those that do well on this channel gain weight
    (exponentially weighted averaging). Source: N. Cesa-Bianchi and G. Lugosi, "Prediction,
    Learning, and Games" (2006), chapter 2.
    """
    days = gains.shape[1]
    errors = np.nan_to_num(np.abs(forecasts[:, :, :days] - gains))
    summed = np.concatenate([np.zeros((*errors.shape[:2], 1)), np.cumsum(errors, axis=2)], axis=2)
    gone = np.concatenate([np.zeros_like(summed[:, :, :MEMORY]), summed], axis=2)
    lost = summed - gone[:, :, : days + 1]
    scale = mean_before(gains)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(scale > 0, lost / scale, 0.0)
    weight = np.exp(-LEARNING * (relative - relative.min(axis=0)))
    return np.asarray(weight / weight.sum(axis=0))


def mean_before(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the known days before each day (and after the last); NaN if none is."""
    known = np.cumsum(~np.isnan(gains), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.cumsum(np.nan_to_num(gains), axis=1) / known
    means[known == 0] = np.nan
    return before_each(means)


def before_each(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return *series* shifted by one day: column t holds the value of day t - 1."""
    return np.concatenate([np.full((series.shape[0], 1), np.nan), series], axis=1)


def combined(
    forecasts: NDArray[np.float64],
    weight: NDArray[np.float64],
    gains: NDArray[np.float64],
    horizon: int,
) -> NDArray[np.float64]:
    """
    Return the weighted forecast from each day on, shape (channels, days + 1, *horizon*).

    Entry (c, t, h) is the forecast of day t + h from the days before t. Levels continue unchanged;
    the seasonal method repeats its last week; arrears arrive on the first day only.
    """
    past = before_each(gains)
    week = weekly_median(past)
    owed = arrears(past, week)
    ahead = np.repeat((weight * forecasts).sum(axis=0)[:, :, None], horizon, axis=2)
    ahead[:, :, 1:] -= owed[:, :, None]
    place = METHODS.index(SEASONAL)
    first = _week_ago(past, week)
    for h in range(1, horizon):
        later = _week_ago(past, week, h % WEEK)
        ahead[:, :, h] += weight[place] * (later - first)
    return ahead


def weekly_median(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of the known days among the seven up to each day."""
    return _quantile(np.sort(_windows(past, WEEK), axis=2), 1 / 2)


def last_known(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the last known value up to each day; NaN before the first."""
    places = np.where(np.isnan(past), 0, np.arange(past.shape[1]))
    return np.take_along_axis(past, np.maximum.accumulate(places, axis=1), axis=1)


def view_scale(ahead: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected size of errors: *ahead* itself, but at least a quarter of the mean."""
    return np.fmax(ahead, _LEAST * mean_before(gains)[:, :, None])


def _levels(past: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    lengths = {days for _, days, _ in _LEVELS}
    ordered = {days: np.sort(_windows(past, days), axis=2) for days in lengths}
    for _, days, share in _LEVELS:
        yield _quantile(ordered[days], share)


def _shifted(past: NDArray[np.float64], back: int) -> NDArray[np.float64]:
    before = np.full((past.shape[0], back), np.nan)
    return np.concatenate([before, past], axis=1)[:, : past.shape[1]]


def _windows(past: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """Return a view of the *days* days up to each day, NaN before the first."""
    padded = np.pad(past, ((0, 0), (days - 1, 0)), constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, days, axis=1)


def _known(past: NDArray[np.float64], days: int) -> NDArray[np.intp]:
    return np.asarray(np.count_nonzero(~np.isnan(_windows(past, days)), axis=2))


def _quantile(ordered: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the quantile of the known days in each window, linear between ranks."""
    rank = share * np.maximum(np.count_nonzero(~np.isnan(ordered), axis=2) - 1, 0)
    low = np.floor(rank).astype(np.intp)
    high = np.ceil(rank).astype(np.intp)
    at = [np.take_along_axis(ordered, place[:, :, None], axis=2)[:, :, 0] for place in (low, high)]
    return np.asarray(at[0] + (rank - low) * (at[1] - at[0]))


def _smoothed(past: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield means of the known days, weighted by powers of 1 - alpha with their age."""
    known = ~np.isnan(past)
    values = np.where(known, past, 0.0)
    days = np.arange(past.shape[1])
    age = days[None, :] - days[:, None]
    for alpha in _SMOOTHING:
        fading = np.where(age >= 0, (1 - alpha) ** np.maximum(age, 0), 0.0)
        weight = known @ fading
        yield np.divide(values @ fading, weight, out=np.full_like(past, np.nan), where=weight > 0)


def _week_ago(
    past: NDArray[np.float64], week: NDArray[np.float64], later: int = 0
) -> NDArray[np.float64]:
    """Return the gain 7 - *later* days before the end of *past*, or the 7-day median."""
    shifted = _shifted(past, WEEK - 1 - later)
    cut = np.clip(shifted, week / _FARTHEST, week * _FARTHEST)
    return np.asarray(np.where(np.isnan(cut), week, cut))
