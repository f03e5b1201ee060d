"""
How well the forecasts would have done: made again at every earlier day, and held against what came.

Pure functions of matrices, all channels at once; `benchmarks.backtest` reads the data and prints.
Nothing here is fitted: each forecast uses the days of its own channel before it, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis import forecast_methods
from jobs.analysis.forecast_intervals import intervals
from jobs.analysis.forecast_methods import (
    BASELINE,
    METHODS,
    arrears,
    before_each,
    last_known,
    view_scale,
)
from jobs.analysis.forecast_subscribers import GROWTH, combined_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

HORIZON: Final = 14
KNOWN_BEFORE: Final = 7
"""Days that must be known before a day for it to be scored."""

FEWEST_SCORED: Final = 7
COMBINED: Final = "weighted by past errors"
CHOSEN: Final = "the best one so far"


@dataclass(frozen=True, slots=True)
class Score:
    """
    *error* is the median over *channels* of the mean absolute error over the mean of the series.

    *coverage* is the share of the *days* scored that their interval held, None without one;
    *below* and *above* are the shares on either side of it.
    """

    error: float
    channels: int
    days: int
    coverage: float | None = None
    below: float | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True)
class ViewBacktest:
    """Next-day scores per method and choice; the combination's and a baseline's by horizon."""

    next_day: dict[str, Score]
    by_horizon: dict[int, Score]
    baseline_by_horizon: dict[int, Score]


def backtest_views(gains: NDArray[np.float64]) -> ViewBacktest:
    """
    Forecast *gains* (channels, days; NaN: unknown) from each day on, 1 to `HORIZON` days ahead.

    All methods are scored on the same days. The baseline is the 7-day median as it is, without
    `forecast_methods.arrears`.
    """
    said = forecast_methods.next_days(gains)
    weight = forecast_methods.weights(said, gains)
    ahead = forecast_methods.combined(said, weight, gains, HORIZON)
    low, high = intervals(ahead, gains, view_scale(ahead, gains))
    scored = _origins(gains)
    plain = _plain_median(said, gains)
    chosen = np.take_along_axis(said, weight.argmax(axis=0)[None], axis=0)[0]
    next_day = {f"{BASELINE}, as it is": score(plain, gains, scored)}
    for name, one in zip(METHODS, said, strict=True):
        next_day[name] = score(one, gains, scored)
    next_day[CHOSEN] = score(chosen, gains, scored)
    next_day[COMBINED] = score(ahead[:, :, 0], gains, scored, (low[:, :, 0], high[:, :, 0]))
    return ViewBacktest(
        next_day,
        {
            h + 1: score(ahead[:, :, h], gains, scored, (low[:, :, h], high[:, :, h]), later=h)
            for h in range(HORIZON)
        },
        {h + 1: score(plain, gains, scored, later=h) for h in range(HORIZON)},
    )


def backtest_subscribers(
    counts: NDArray[np.float64], steps: NDArray[np.float64]
) -> tuple[dict[int, Score], dict[int, Score]]:
    """
    Forecast *counts* (channels, days) alike; also what “the counter stands still” would score.

    Errors are over the mean change within the same number of days, so that 1 is no better than
    standing still on a counter that moves every day.
    """
    ahead, scale, _ = combined_path(counts, steps, HORIZON)
    low, high = intervals(ahead, counts, scale, GROWTH)
    still = last_known(before_each(counts))
    scored = _origins(counts)
    ours, theirs = {}, {}
    for h in range(HORIZON):
        moved = np.abs(counts[:, h + 1 :] - counts[:, : -h - 1])
        unit = np.pad(moved, ((0, 0), (h + 1, 0)), constant_values=np.nan)
        bounds = (low[:, :, h], high[:, :, h])
        ours[h + 1] = score(ahead[:, :, h], counts, scored, bounds, later=h, unit=unit)
        theirs[h + 1] = score(still, counts, scored, later=h, unit=unit)
    return ours, theirs


def score(
    said: NDArray[np.float64],
    actual: NDArray[np.float64],
    scored: NDArray[np.bool_],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    *,
    later: int = 0,
    unit: NDArray[np.float64] | None = None,
) -> Score:
    """
    Hold what was *said* at each origin of the day *later* days on against what came.

    *scored* are the origins that count. Errors are over the mean of *unit*, by default *actual*.
    A channel counts with `FEWEST_SCORED` days or more.
    """
    days = actual.shape[1] - later
    came, off = actual[:, later:], np.abs(said[:, :days] - actual[:, later:])
    over = (actual if unit is None else unit)[:, later:]
    counts = scored[:, :days] & ~np.isnan(off) & ~np.isnan(over)
    total = np.where(counts, over, 0).sum(axis=1)
    enough = (counts.sum(axis=1) >= FEWEST_SCORED) & (total > 0)
    errors = np.where(counts, off, 0).sum(axis=1)[enough] / total[enough]
    error = float(np.median(errors)) if errors.size else float("nan")
    counts &= enough[:, None]
    if bounds is None or not counts.any():
        return Score(error, int(errors.size), int(counts.sum()))
    below, above = came < bounds[0][:, :days], came > bounds[1][:, :days]
    shares = float(below[counts].mean()), float(above[counts].mean())
    return Score(error, int(errors.size), int(counts.sum()), 1 - sum(shares), *shares)


def _origins(series: NDArray[np.float64]) -> NDArray[np.bool_]:
    known = np.cumsum(~np.isnan(series), axis=1)
    before = np.concatenate([np.zeros((series.shape[0], 1), dtype=known.dtype), known], axis=1)
    return before >= KNOWN_BEFORE


def _plain_median(said: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    past = before_each(gains)
    owed = arrears(past, forecast_methods.weekly_median(past))
    return np.asarray(said[METHODS.index(BASELINE)] - owed)
