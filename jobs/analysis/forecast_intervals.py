"""
How far off a forecast may be: quantiles of how far off the same forecast was before.

Errors are taken relative to the size of their forecast, so that intervals grow with it. The few
errors that a short history has are joined by some that would be usual on any channel.
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
"""Standard deviation of log views about their forecast, before a channel has shown its own."""

OVERLAP: Final = 0.2
"""What each day further ahead adds to the stretch: errors far ahead overlap and move alike."""

GROWTH: Final = 0.02
"""By how much an error grows with each day further ahead, where far ones are not known yet."""

STEP: Final = 0.08
"""How fast the level follows a channel's surprises."""

_AT_ONCE = 32


def intervals(
    ahead: NDArray[np.float64],
    actual: NDArray[np.float64],
    scale: NDArray[np.float64],
    growth: float = GROWTH,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the lower and the upper end of an interval at `LEVEL` around each forecast in *ahead*.

    *ahead* and *scale* are (channels, origins, horizon), *actual* is (channels, days): entry
    (c, t, h) of *ahead* was said of day t + h from the days before t. At each origin and horizon
    the errors over *scale* that were known by then give quantiles: those of the last `MEMORY`
    days at this horizon and, *growth* larger for each day between, at the nearest; and `USUAL`
    ones. They are taken at `(1 ± level)/2`, stretched from the middle by 1 + 1/n (split conformal
    prediction, J. Lei et al. 2018). With each outcome the level moves by `STEP`, up after a miss
    and down by a quarter of that after a hit, so that a channel that surprises gets wider
    intervals (adaptive conformal inference, I. Gibbs and E. Candès 2021). Ends do not come nearer
    with the horizon, are never below zero, and the forecast lies between them.
    """
    errors = outcome_errors(ahead, scale, actual)
    ends = np.full((2, *ahead.shape), np.nan)
    for start in range(0, ahead.shape[0], _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        ends[:, some] = _adaptive_ends(errors[some], growth)
    # Nobody knows more of a day further ahead: what looks so is a horizon with few errors.
    low = ahead + scale * np.minimum.accumulate(ends[0], axis=2)
    high = ahead + scale * np.maximum.accumulate(ends[1], axis=2)
    return np.clip(low, 0, ahead), np.fmax(high, ahead)


def outcome_errors(
    ahead: NDArray[np.float64], scale: NDArray[np.float64], actual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Return `(actual - forecast) / scale` by the day that was forecast, (channels, days, horizon).

    Entry (c, t, h) is what the forecast made at t - h was off on day t; NaN where there is none.
    """
    errors = np.full((*actual.shape, ahead.shape[2]), np.nan)
    for h in range(min(ahead.shape[2], actual.shape[1])):
        said = slice(0, actual.shape[1] - h)
        with np.errstate(invalid="ignore", divide="ignore"):
            errors[:, h:, h] = (actual[:, h:] - ahead[:, said, h]) / scale[:, said, h]
    return np.where(np.isfinite(errors), errors, np.nan)


def ends_of(errors: NDArray[np.float64], later: int) -> tuple[float, float]:
    """Return the two ends that *errors* (known, of one horizon, *later* days on) give `LEVEL`."""
    ordered = np.sort(np.concatenate([errors, _USUAL]))
    tail = float(_tail(1 - LEVEL, 1 + (1 + OVERLAP * later) / ordered.size))
    low, high = np.quantile(ordered, [tail, 1 - tail])
    return float(low), float(high)


def _adaptive_ends(errors: NDArray[np.float64], growth: float) -> NDArray[np.float64]:
    """Lower and upper ends, relative to scale: (2, channels, origins, horizon)."""
    ordered = _known_errors(errors, growth)
    most = np.count_nonzero(~np.isnan(ordered), axis=3) - 1
    tail = _adaptive_tails(_ranks(errors, ordered), most)
    return _at(ordered, np.stack([tail, 1 - tail]) * most)


def _adaptive_tails(
    ranks: tuple[NDArray[np.float64], NDArray[np.float64]], most: NDArray[np.intp]
) -> NDArray[np.float64]:
    """
    The share left outside on either side at each origin, moved by what was missed before it.

    *ranks* say where each outcome fell among the errors known when it was forecast, by its day.
    The loop is over days alone, and on ranks: an outcome is missed if it ranks beyond the tail.
    """
    channels, origins, horizon = most.shape
    later = np.arange(horizon)
    stretch = 1 + (1 + OVERLAP * later) / (most + 1)
    miss_rate = np.full((channels, horizon), 1 - LEVEL)
    tails = np.empty(most.shape)
    for t in range(origins):
        tails[:, t] = _tail(miss_rate, stretch[:, t])
        if t < origins - 1:
            # Day t settles what was said of it on this day and on those before.
            said_at = np.maximum(t - later, 0)
            low = tails[:, said_at, later] * most[:, said_at, later]
            high = most[:, said_at, later] - low
            missed = (ranks[0][:, t] < low) | (ranks[1][:, t] > high)
            moved = np.clip(miss_rate + STEP * (1 - LEVEL - missed), 0.0, 1.0)
            miss_rate = np.where(np.isnan(ranks[0][:, t]), miss_rate, moved)
    return tails


def _ranks(
    errors: NDArray[np.float64], ordered: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    The last and the first fractional rank of each outcome among the errors known at its forecast.

    They differ where it equals several of them; infinite beyond all, NaN where nothing came.
    """
    days, horizon = errors.shape[1:]
    origin = np.arange(days)[:, None] - np.arange(horizon)
    known = ordered[:, np.maximum(origin, 0), np.arange(horizon)]
    own = errors[..., None]
    last = _fractional(errors, known, np.count_nonzero(known <= own, axis=3))
    first = _fractional(errors, known, np.count_nonzero(known < own, axis=3))
    first = np.where(np.count_nonzero(known == own, axis=3) > 0, np.ceil(first), first)
    return last, first


def _fractional(
    errors: NDArray[np.float64], known: NDArray[np.float64], below: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The rank between the *below* lowest and the rest, as far as the outcome lies from them."""
    n = np.count_nonzero(~np.isnan(known), axis=3)
    under = np.take_along_axis(known, np.maximum(below - 1, 0)[..., None], axis=3)[..., 0]
    over = np.take_along_axis(known, np.minimum(below, n - 1)[..., None], axis=3)[..., 0]
    width = over - under
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(width > 0, (errors - under) / width, 0.0)
    rank = np.where(below == 0, -np.inf, np.where(below == n, np.inf, below - 1 + part))
    return np.where(np.isnan(errors), np.nan, rank)


def _known_errors(errors: NDArray[np.float64], growth: float) -> NDArray[np.float64]:
    """What is known at each origin, ascending, NaN last: (channels, origins, horizon, errors)."""
    channels, days, horizon = errors.shape
    width = max(min(MEMORY, days), 1)
    padded = np.concatenate([np.full((channels, width, horizon), np.nan), errors], axis=1)
    own = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    nearer = own[:, :, :1] * (1 + growth * np.arange(horizon))[:, None]
    nearer[:, :, 0] = np.nan
    usual = np.broadcast_to(_USUAL, (*own.shape[:3], USUAL))
    return np.sort(np.concatenate([own, nearer, usual], axis=3), axis=3)


def _tail(
    miss_rate: NDArray[np.float64] | float, stretch: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    return np.asarray(np.clip((1 - (1 - miss_rate) * stretch) / 2, 0.0, 0.5))


def _at(ordered: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values at fractional *rank*, (2, …) for *ordered* (…, errors), linear in between."""
    place = rank.astype(np.intp)
    above = np.ceil(rank).astype(np.intp)
    low, high = (
        np.stack([np.take_along_axis(ordered, end[..., None], axis=3)[..., 0] for end in each])
        for each in (place, above)
    )
    return np.asarray(low + (rank - place) * (high - low))


# Errors of a forecast about which the outcome is log-normal: evenly spread quantiles.
_USUAL: Final = (
    np.exp(USUAL_SPREAD * np.array([NormalDist().inv_cdf((i + 0.5) / USUAL) for i in range(USUAL)]))
    - 1
)
