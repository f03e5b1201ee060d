"""
How far off a forecast may be: quantiles of the errors that the same forecast made before.

Errors are relative to the size of their forecast, so intervals grow with it. The few errors of
a short history are joined by a few that are typical of any channel.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.forecast_methods import MEMORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.8
USUAL: Final = 4
USUAL_SPREAD: Final = 0.4
"""Standard deviation of log views about their forecast, until a channel has errors of its own."""

OVERLAP: Final = 0.2
"""Each day further ahead adds this much to the stretch: distant errors overlap and correlate."""

GROWTH: Final = 0.02
"""How much an error grows per day further ahead, while errors at that horizon are unknown."""

STEP: Final = 0.08
"""How fast the level adapts to a channel's misses."""

_AT_ONCE = 32
_ALL: Final = slice(None)


def intervals(
    ahead: NDArray[np.float64],
    actual: NDArray[np.float64],
    scale: NDArray[np.float64],
    growth: float | NDArray[np.float64] = GROWTH,
    origins: slice = _ALL,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the lower and the upper end of an interval at `LEVEL` around each forecast in *ahead*.

    *ahead* and *scale* are (channels, origins, horizon), *actual* is (channels, days): entry
    (c, t, h) of *ahead* is the forecast of day t + h from the days before t. At each origin and
    horizon the interval is made of quantiles of the errors, divided by *scale*, known by then:
    those of the last `MEMORY` days at this horizon, those at the shortest horizon (enlarged by
    *growth*, for each day between; it may differ by channel), and `USUAL` typical ones. Quantiles
    are taken at `(1 ± level)/2`, stretched from the middle by 1 + 1/n (split conformal prediction,
    J. Lei et al. 2018). After each outcome the level moves by `STEP`, up after a miss and down by a
    quarter of that after a hit, so an unpredictable channel gets wider intervals (adaptive
    conformal inference, I. Gibbs and E. Candès 2021). Intervals never narrow with the horizon,
    never go below zero and always contain the forecast. Returned are those of *origins*.
    """
    errors = outcome_errors(ahead, scale, actual)
    growth = np.broadcast_to(growth, ahead.shape[0])
    ahead, scale = ahead[:, origins], scale[:, origins]
    ends = np.full((2, *ahead.shape), np.nan)
    for start in range(0, ahead.shape[0], _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        ends[:, some] = _adaptive_ends(errors[some], growth[some], origins)
    # A narrower interval further ahead only means that few errors are known at that horizon.
    low = ahead + scale * np.minimum.accumulate(ends[0], axis=2)
    high = ahead + scale * np.maximum.accumulate(ends[1], axis=2)
    return np.clip(low, 0, ahead), np.fmax(high, ahead)


def outcome_errors(
    ahead: NDArray[np.float64], scale: NDArray[np.float64], actual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return `(actual - forecast) / scale` by the day that was forecast, (channels, days, horizon).

    Entry (c, t, h) is the error on day t of the forecast made at t - h; NaN if there is none.
    """
    errors = np.full((*actual.shape, ahead.shape[2]), np.nan)
    for h in range(min(ahead.shape[2], actual.shape[1])):
        origins = slice(0, actual.shape[1] - h)
        with np.errstate(invalid="ignore", divide="ignore"):
            errors[:, h:, h] = (actual[:, h:] - ahead[:, origins, h]) / scale[:, origins, h]
    return np.where(np.isfinite(errors), errors, np.nan)


def ends_of(errors: NDArray[np.float64], later: int) -> tuple[float, float]:
    """Return the interval's two ends at `LEVEL` from the known *errors* at horizon *later*."""
    ordered = np.sort(np.concatenate([errors, _USUAL]))
    tail = float(_tail(1 - LEVEL, 1 + (1 + OVERLAP * later) / ordered.size))
    low, high = np.quantile(ordered, [tail, 1 - tail])
    return float(low), float(high)


def _adaptive_ends(
    errors: NDArray[np.float64], growth: NDArray[np.float64], origins: slice
) -> NDArray[np.float64]:
    """Return lower and upper ends relative to scale: (2, channels, origins, horizon)."""
    most = np.empty((errors.shape[0], errors.shape[1] + 1, errors.shape[2]), dtype=np.intp)
    last, first = np.empty_like(errors), np.empty_like(errors)
    kept: list[NDArray[np.float64]] = []
    # One channel at a time, since arrays of megabytes cost page faults.
    for one in (slice(channel, channel + 1) for channel in range(errors.shape[0])):
        ordered = _known_errors(errors[one], growth[one])
        most[one] = _count(~np.isnan(ordered)) - 1
        last[one], first[one] = _ranks(errors[one], ordered, most[one])
        kept.append(ordered[:, origins].copy())
    tail = _adaptive_tails((last, first), most)
    rank = (np.stack([tail, 1 - tail]) * most)[:, :, origins]
    return _at(np.concatenate(kept), rank)


def _adaptive_tails(
    ranks: tuple[NDArray[np.float64], NDArray[np.float64]], most: NDArray[np.intp]
) -> NDArray[np.float64]:
    """
    Return the share left outside on each side at each origin, adapted to the misses before it.

    *ranks* are the ranks of each outcome among the errors known at its forecast, by its day.
    The loop runs only over days, on ranks: an outcome that ranks beyond the tail is a miss.
    """
    channels, origins, horizon = most.shape
    later = np.arange(horizon)
    stretch = 1 + (1 + OVERLAP * later) / (most + 1)
    miss_rate = np.full((channels, horizon), 1 - LEVEL)
    tails = np.empty(most.shape)
    # Day t is the outcome of the forecasts made for it on this day and on earlier ones.
    made_at = np.maximum(np.arange(origins - 1)[:, None] - later, 0)
    reach = most[:, made_at, later]
    known = ~np.isnan(ranks[0])
    if_missed, if_not = (STEP * (1 - LEVEL - missed) for missed in (1, 0))
    for t in range(origins):
        tails[:, t] = _tail(miss_rate, stretch[:, t])
        if t < origins - 1:
            low = tails[:, made_at[t], later] * reach[:, t]
            missed = (ranks[0][:, t] < low) | (ranks[1][:, t] > reach[:, t] - low)
            moved = miss_rate + np.where(missed, if_missed, if_not)
            moved = np.minimum(np.maximum(moved, 0.0), 1.0)
            miss_rate = np.where(known[:, t], moved, miss_rate)
    return tails


def _ranks(
    errors: NDArray[np.float64], ordered: NDArray[np.float64], most: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the last and first fractional rank of each outcome among the errors known before it.

    They differ if it equals several of them. Infinite beyond all, NaN without an outcome.
    """
    days, horizon = errors.shape[1:]
    origin = np.arange(days)[:, None] - np.arange(horizon)
    at = (slice(None), np.maximum(origin, 0), np.arange(horizon))
    known, n = ordered[at], most[at] + 1
    own = errors[..., None]
    below, up_to = _count(known < own), _count(known <= own)
    last, first = (_fractional(errors, known, n, each) for each in (up_to, below))
    return last, np.where(up_to > below, np.ceil(first), first)


def _count(which: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count along the last axis, in bytes: there are never 256 errors, and numpy is slow at it."""
    return np.asarray(which.sum(axis=-1, dtype=np.uint8), np.intp)


def _fractional(
    errors: NDArray[np.float64],
    known: NDArray[np.float64],
    n: NDArray[np.intp],
    below: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Interpolate the rank of each outcome among *n* errors; *below* of them are lower."""
    under = np.take_along_axis(known, np.maximum(below - 1, 0)[..., None], axis=3)[..., 0]
    over = np.take_along_axis(known, np.minimum(below, n - 1)[..., None], axis=3)[..., 0]
    width = over - under
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(width > 0, (errors - under) / width, 0.0)
    rank = np.where(below == 0, -np.inf, np.where(below == n, np.inf, below - 1 + part))
    return np.where(np.isnan(errors), np.nan, rank)


def _known_errors(errors: NDArray[np.float64], growth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the errors known at each origin, sorted, NaN last: (channels, origins, horizon, n)."""
    channels, days, horizon = errors.shape
    width = max(min(MEMORY, days), 1)
    padded = np.concatenate([np.full((channels, width, horizon), np.nan), errors], axis=1)
    own = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    nearer = own[:, :, :1] * (1 + growth[:, None, None, None] * np.arange(horizon)[:, None])
    nearer[:, :, 0] = np.nan
    usual = np.broadcast_to(_USUAL, (*own.shape[:3], USUAL))
    return np.sort(np.concatenate([own, nearer, usual], axis=3), axis=3)


def _tail(
    miss_rate: NDArray[np.float64] | float, stretch: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    return np.minimum(np.maximum((1 - (1 - miss_rate) * stretch) / 2, 0.0), 0.5)


def _at(ordered: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate *ordered* (…, errors) linearly at fractional *rank* (2, …)."""
    place = rank.astype(np.intp)
    above = np.ceil(rank).astype(np.intp)
    low, high = (
        np.stack([np.take_along_axis(ordered, end[..., None], axis=3)[..., 0] for end in each])
        for each in (place, above)
    )
    return np.asarray(low + (rank - place) * (high - low))


# The errors if outcomes are log-normal about their forecast: evenly spread quantiles.
_USUAL: Final = (
    np.exp(USUAL_SPREAD * np.array([NormalDist().inv_cdf((i + 0.5) / USUAL) for i in range(USUAL)]))
    - 1
)
