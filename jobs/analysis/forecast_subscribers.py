"""Forecast a counter of subscribers: its recent pace continues, over the best-fitting period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.forecast_methods import MEMORY, before_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACES: Final = (0, 7, 14, 28, 56)
"""Days over which the pace is measured; 0 means that the counter stands still."""

LEARNING: Final = 4.0


def paths(counts: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """
    Return the forecast of each of `PACES`, shape (paces, channels, days + 1, *horizon*).

    *counts* is (channels, days), NaN where not read. Entry (p, c, t, h) is the forecast of day
    t + h from the days before t: the last reading, plus the mean daily change over the pace's days
    before that reading (or since the first reading, if that is shorter) times the days since it.
    """
    read = ~np.isnan(counts)
    days = counts.shape[1]
    place = np.maximum.accumulate(np.where(read, np.arange(days), -1), axis=1)
    first = np.where(read.any(axis=1), read.argmax(axis=1), 0)[:, None]
    last = np.take_along_axis(counts, np.maximum(place, 0), axis=1)
    forecasts = np.full((len(PACES), counts.shape[0], days + 1, horizon), np.nan)
    since = np.arange(days) - place
    ahead = since[:, :, None] + np.arange(1, horizon + 1)
    for i, pace in enumerate(PACES):
        back = np.maximum(np.arange(days) - pace, first)
        start = np.take_along_axis(place, np.minimum(back, days - 1), axis=1)
        before = np.take_along_axis(counts, np.maximum(start, 0), axis=1)
        run = place - start
        per_day = np.divide(last - before, run, out=np.zeros_like(last), where=run > 0)
        forecasts[i, :, 1:] = last[:, :, None] + per_day[:, :, None] * ahead
    forecasts[:, :, 1:][:, place < 0] = np.nan
    return forecasts


def combined_path(
    counts: NDArray[np.float64], steps: NDArray[np.float64], horizon: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the weighted forecast, the expected size of errors, and the weight of each pace.

    Weights are proportional to `exp(-LEARNING / h · Σ|error| / size)` over the `MEMORY` days
    before, separately for each horizon of h days: a rounded counter mostly stands still over one
    day but not over two weeks, and errors over h days come in runs of h. The size is the larger
    of the counter's rounding step (*steps*, one per channel) and its mean past change over h days.
    Shapes are (channels, days + 1, horizon); the weights have the paces as a first axis.
    """
    forecasts = paths(counts, horizon)
    scale = _scale(counts, steps, horizon)
    days = counts.shape[1]
    lost = np.zeros_like(forecasts)
    for h in range(min(horizon, days)):
        errors = np.zeros((*forecasts.shape[:2], days))
        errors[:, :, h:] = np.abs(counts[:, h:] - forecasts[:, :, : days - h, h])
        summed = np.zeros((*forecasts.shape[:2], days + 1))
        summed[:, :, 1:] = np.cumsum(np.nan_to_num(errors), axis=2)
        gone = np.zeros_like(summed)
        gone[:, :, MEMORY:] = summed[:, :, : max(days + 1 - MEMORY, 0)]
        lost[:, :, :, h] = summed - gone
    relative = lost / scale
    learning = LEARNING / np.arange(1, horizon + 1)
    weight = np.exp(-learning * (relative - relative.min(axis=0)))
    weight /= weight.sum(axis=0)
    return np.maximum((weight * forecasts).sum(axis=0), 0.0), scale, weight


def _scale(
    counts: NDArray[np.float64], steps: NDArray[np.float64], horizon: int
) -> NDArray[np.float64]:
    """Return the expected size of errors, at least one subscriber, so that it can be a divisor."""
    filled = before_each(counts)
    moves = np.abs(np.diff(filled, axis=1))
    known = np.cumsum(~np.isnan(moves), axis=1)
    mean = np.cumsum(np.nan_to_num(moves), axis=1) / np.maximum(known, 1)
    mean = np.concatenate([np.zeros((counts.shape[0], 1)), mean], axis=1)
    grown = mean[:, :, None] * np.arange(1, horizon + 1)
    return np.maximum(np.maximum(grown, steps[:, None, None]), 1.0)
