"""
Ways to forecast a daily series, tried on every day of its past at once.

All of them take arrays of shape (channels, days), NaN where a day is unknown. For each day t they
return the forecast made from the days before t; the last origin is the day after the series.
Doubling the unit doubles every forecast. Nothing is fitted to other channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.platform_days import as_usual, owed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WEEK: Final = 7
MEMORY: Final = 56
"""Days of past errors that weight the methods; older ones say little about the channel now."""

NEAR: Final = 3
NEAR_MEMORY: Final = 112
"""Up to `NEAR` days ahead the habits of a channel count, which take longer to learn."""

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
    ("median of 56 days", 56, 1 / 2),
)
SEASONAL: Final = "the same weekday a week ago"
_LEVEL_OF_WEEKDAYS = _LEVELS[-2]
_THETA_SMOOTHING = (0.1, 0.3)
_DRIFT_DAYS = 28
_DAMPING = 0.9
_STEEPEST = 0.1
_ABOVE_ZERO = 0.05
_TENTH = 0.1
_WEEKS = 4
_FLAT_WEEKS = 2.0
_FEWEST_IN_RHYTHM = 5

METHODS: Final = (
    *(name for name, _, _ in _LEVELS),
    *(f"exponential smoothing by {alpha}" for alpha in _SMOOTHING),
    "the last day",
    SEASONAL,
    *(f"damped trend of logarithms, smoothed by {alpha}" for alpha in _THETA_SMOOTHING),
    f"{_LEVEL_OF_WEEKDAYS[0]}, by weekday",
)


def paths(
    gains: NDArray[np.float64], horizon: int, factor: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """
    Return each method's forecasts, shape (methods, channels, days + 1, *horizon*).

    Entry (m, c, t, h) is the forecast of day t + h from the days before t. NaN where fewer than
    four of the seven days before t are known. Levels are medians and quantiles of the last days;
    simple exponential smoothing skips unknown days (R. G. Brown 1956); both continue unchanged.
    The same weekday a week ago is clipped to between a third and three times the 7-day median, and
    replaced by that median if unknown. `arrears` are added to all of them, on the first day only.

    With the *factor* of each day (`platform_days.factors`), the first day is forecast from what
    the days before would have been without it, and what the platform owes is added. Days further
    ahead are not: more days than these will be late.
    """
    found = _paths(gains, horizon, gains)
    if factor is not None and (factor != 1).any():
        first = _paths(as_usual(gains, factor), 1, gains)[..., 0] * (1 + owed(factor))
        found[..., 0] = np.where(np.isnan(first), found[..., 0], first)
    return found


def _paths(
    gains: NDArray[np.float64], horizon: int, read: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the forecasts of `paths`; *read* tells which days count as known."""
    past = before_each(gains)
    week = weekly_median(past)
    late = arrears(past, week)
    levels = list(_levels(past))
    flat = [*levels, *_smoothed(past, _SMOOTHING), last_known(past)]
    found = np.empty((len(METHODS), *past.shape, horizon))
    for i, level in enumerate(flat):
        found[i] = level[:, :, None]
    for h in range(horizon):
        found[len(flat), :, :, h] = _week_ago(past, week, h % WEEK)
    trends = slice(len(flat) + 1, len(flat) + 1 + len(_THETA_SMOOTHING))
    found[trends] = _damped_trends(past, mean_before(gains), horizon)
    found[-1] = (
        levels[_LEVELS.index(_LEVEL_OF_WEEKDAYS)][:, :, None]
        * _rhythm(past)[:, :, np.arange(horizon) % WEEK]
    )
    found = np.where(np.isnan(found), week[:, :, None], found)
    found[:, _known(before_each(read), WEEK) < _FEWEST_IN_WEEK] = np.nan
    found[:, :, :, 0] += late
    return found


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
    Return the weight of each method at each origin and horizon, shaped like *forecasts* (`paths`).

    Weights at one origin and horizon sum to one. At a horizon of h days a method's weight is
    proportional to `exp(-LEARNING / √h · Σ|error| / mean gain)`, over its errors at that horizon
    in the `MEMORY` days before (`NEAR_MEMORY` up to `NEAR` days ahead): all methods start equal,
    and those that do well on this channel gain weight (exponentially weighted averaging; N.
    Cesa-Bianchi and G. Lugosi, "Prediction, Learning, and Games", 2006, chapter 2). Errors over h
    days overlap, so they teach less.
    """
    days, horizon = gains.shape[1], forecasts.shape[3]
    lost = np.zeros_like(forecasts)
    for h in range(min(horizon, days)):
        errors = np.abs(forecasts[:, :, : days - h, h] - gains[:, h:])
        summed = np.cumsum(np.nan_to_num(errors), axis=2)
        lost[:, :, h + 1 :, h] = summed
        memory = NEAR_MEMORY if h < NEAR else MEMORY
        lost[:, :, h + 1 + memory :, h] -= summed[:, :, : max(days - h - memory, 0)]
    scale = mean_before(gains)[:, :, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(scale > 0, lost / scale, 0.0)
    learning = LEARNING / np.sqrt(np.arange(1, horizon + 1))
    weight = np.exp(-learning * (relative - relative.min(axis=0)))
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


def _smoothed(
    past: NDArray[np.float64], alphas: tuple[float, ...]
) -> Iterator[NDArray[np.float64]]:
    """Yield means of the known days, weighted by powers of 1 - alpha with their age."""
    known = ~np.isnan(past)
    values = np.where(known, past, 0.0)
    days = np.arange(past.shape[1])
    age = days[None, :] - days[:, None]
    for alpha in alphas:
        fading = np.where(age >= 0, (1 - alpha) ** np.maximum(age, 0), 0.0)
        weight = known @ fading
        yield np.divide(values @ fading, weight, out=np.full_like(past, np.nan), where=weight > 0)


def _damped_trends(
    past: NDArray[np.float64], mean: NDArray[np.float64], horizon: int
) -> NDArray[np.float64]:
    """
    Continue the smoothed logarithms by half their slope, less each day: the Theta method, damped.

    The slope is that of the least squares line through the last `_DRIFT_DAYS` days. Sources:
    V. Assimakopoulos and K. Nikolopoulos, "The theta model" (2000); J. Fiorucci et al. (2016).
    """
    above = _ABOVE_ZERO * np.where(mean > 0, mean, np.nan)
    logs = np.log(past + above)
    drift = np.clip(_slopes(logs), -_STEEPEST, _STEEPEST) / 2
    run = np.cumsum(_DAMPING ** np.arange(1, horizon + 1))
    level = np.stack(list(_smoothed(logs, _THETA_SMOOTHING)))
    found = np.exp(level[..., None] + drift[:, :, None] * run) - above[:, :, None]
    return np.asarray(np.maximum(found, 0.0))


def _slopes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slope through the last `_DRIFT_DAYS` days up to each; 0 with less than a week."""
    known = ~np.isnan(values)
    day = np.arange(values.shape[1], dtype=np.float64)
    y = np.where(known, values, 0.0)
    n, x, xx, sums, products = (
        _last_sums(each, _DRIFT_DAYS)
        for each in (known.astype(float), known * day, known * day**2, y, y * day)
    )
    across = n * xx - x**2
    enough = (n >= WEEK) & (across > 0)
    return np.divide(n * products - x * sums, across, out=np.zeros_like(y), where=enough)


def _last_sums(values: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """Return the sum of the last *days* columns up to each."""
    summed = np.cumsum(values, axis=1)
    summed[:, days:] -= summed[:, :-days].copy()
    return summed


def _rhythm(past: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return how many times the usual each of the next seven days brings: (channels, days, 7).

    It is the geometric mean, over the last `_WEEKS` same weekdays, of the day over the mean of the
    seven days up to it, shrunk as if `_FLAT_WEEKS` more weeks had been flat.
    """
    known = _last_sums((~np.isnan(past)).astype(float), WEEK)
    mean = _last_sums(np.nan_to_num(past), WEEK) / np.maximum(known, 1)
    enough = (known >= _FEWEST_IN_RHYTHM) & (mean > 0)
    above = _TENTH * np.where(enough, mean, np.nan)
    logs = np.log((past + above) / (np.where(enough, mean, np.nan) + above))
    found = np.empty((*past.shape, WEEK))
    for later in range(WEEK):
        same = np.stack([_shifted(logs, WEEK - 1 - later + WEEK * i) for i in range(_WEEKS)])
        n = np.count_nonzero(~np.isnan(same), axis=0)
        found[:, :, later] = np.nansum(same, axis=0) / (n + _FLAT_WEEKS)
    return np.exp(found)


def _week_ago(
    past: NDArray[np.float64], week: NDArray[np.float64], later: int = 0
) -> NDArray[np.float64]:
    """Return the gain 7 - *later* days before the end of *past*, or the 7-day median."""
    shifted = _shifted(past, WEEK - 1 - later)
    cut = np.clip(shifted, week / _FARTHEST, week * _FARTHEST)
    return np.asarray(np.where(np.isnan(cut), week, cut))
