"""
Backtest the forecasts: repeat them at every earlier day and compare them with the outcome.

Pure functions of matrices, all channels at once; `benchmarks.backtest` reads the data and prints.
Nothing here is fitted: each forecast uses only the earlier days of its own channel.
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
"""A day is scored only if at least this many days before it are known."""

FEWEST_SCORED: Final = 7
COMBINED: Final = "weighted by past errors"
CHOSEN: Final = "the best one so far"


@dataclass(frozen=True, slots=True)
class Score:
    """
    *error* is each channel's mean absolute error over the mean of its series, median of *channels*.

    *coverage* is the share of the scored *days* that fell inside their interval, None without
    intervals; *below* and *above* are the shares outside on either side.
    """

    error: float
    channels: int
    days: int
    coverage: float | None = None
    below: float | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True)
class ViewBacktest:
    """Next-day scores of each method and choice; by horizon, of the combination and a baseline."""

    next_day: dict[str, Score]
    by_horizon: dict[int, Score]
    baseline_by_horizon: dict[int, Score]


def backtest_views(gains: NDArray[np.float64]) -> ViewBacktest:
    """
    Forecast *gains* (channels, days; NaN: unknown) from each day, 1 to `HORIZON` days ahead.

    All methods are scored on the same days. The baseline is the plain 7-day median, without
    `forecast_methods.arrears`.
    """
    forecasts = forecast_methods.next_days(gains)
    weight = forecast_methods.weights(forecasts, gains)
    ahead = forecast_methods.combined(forecasts, weight, gains, HORIZON)
    low, high = intervals(ahead, gains, view_scale(ahead, gains))
    scored = _origins(gains)
    plain = _plain_median(forecasts, gains)
    chosen = np.take_along_axis(forecasts, weight.argmax(axis=0)[None], axis=0)[0]
    next_day = {f"{BASELINE}, as it is": score(plain, gains, scored)}
    for name, forecast in zip(METHODS, forecasts, strict=True):
        next_day[name] = score(forecast, gains, scored)
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
    Forecast *counts* (channels, days) in the same way; also score “the counter stands still”.

    Errors are divided by the mean change over the same number of days: on a counter that moves
    every day, a score of 1 is no better than standing still.
    """
    ahead, scale, _ = combined_path(counts, steps, HORIZON)
    low, high = intervals(ahead, counts, scale, GROWTH)
    still = last_known(before_each(counts))
    scored = _origins(counts)
    ours, baseline = {}, {}
    for h in range(HORIZON):
        moved = np.abs(counts[:, h + 1 :] - counts[:, : -h - 1])
        unit = np.pad(moved, ((0, 0), (h + 1, 0)), constant_values=np.nan)
        bounds = (low[:, :, h], high[:, :, h])
        ours[h + 1] = score(ahead[:, :, h], counts, scored, bounds, later=h, unit=unit)
        baseline[h + 1] = score(still, counts, scored, later=h, unit=unit)
    return ours, baseline


def score(
    forecasts: NDArray[np.float64],
    actual: NDArray[np.float64],
    scored: NDArray[np.bool_],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    *,
    later: int = 0,
    unit: NDArray[np.float64] | None = None,
) -> Score:
    """
    Compare the *forecasts* made at each origin for the day *later* days on with *actual*.

    Only the origins in *scored* count. Errors are divided by the mean of *unit*, by default
    *actual*. A channel needs `FEWEST_SCORED` days to count.
    """
    days = actual.shape[1] - later
    outcome, error_sizes = actual[:, later:], np.abs(forecasts[:, :days] - actual[:, later:])
    over = (actual if unit is None else unit)[:, later:]
    counts = scored[:, :days] & ~np.isnan(error_sizes) & ~np.isnan(over)
    total = np.where(counts, over, 0).sum(axis=1)
    enough = (counts.sum(axis=1) >= FEWEST_SCORED) & (total > 0)
    errors = np.where(counts, error_sizes, 0).sum(axis=1)[enough] / total[enough]
    error = float(np.median(errors)) if errors.size else float("nan")
    counts &= enough[:, None]
    if bounds is None or not counts.any():
        return Score(error, int(errors.size), int(counts.sum()))
    below, above = outcome < bounds[0][:, :days], outcome > bounds[1][:, :days]
    shares = float(below[counts].mean()), float(above[counts].mean())
    return Score(error, int(errors.size), int(counts.sum()), 1 - sum(shares), *shares)


def _origins(series: NDArray[np.float64]) -> NDArray[np.bool_]:
    known = np.cumsum(~np.isnan(series), axis=1)
    before = np.concatenate([np.zeros((series.shape[0], 1), dtype=known.dtype), known], axis=1)
    return before >= KNOWN_BEFORE


def _plain_median(
    forecasts: NDArray[np.float64], gains: NDArray[np.float64]
) -> NDArray[np.float64]:
    past = before_each(gains)
    owed = arrears(past, forecast_methods.weekly_median(past))
    return np.asarray(forecasts[METHODS.index(BASELINE)] - owed)
