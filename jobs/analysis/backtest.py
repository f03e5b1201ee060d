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
from jobs.analysis.forecast_intervals import (
    HISTORIES,
    HORIZONS,
    LEVEL,
    SUBSCRIBERS,
    VIEWS,
    Quantiles,
    intervals,
    known_before,
    spread,
    week_intervals,
)
from jobs.analysis.forecast_methods import (
    BASELINE,
    METHODS,
    WEEK,
    arrears,
    before_each,
    last_known,
    view_scale,
)
from jobs.analysis.forecast_subscribers import combined_path

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
    """
    Next-day scores of each method and choice; by horizon, of the combination and of baselines.

    *baselines_by_horizon* are those of the plain 7-day median and of each method alone.
    """

    next_day: dict[str, Score]
    by_horizon: dict[int, Score]
    baselines_by_horizon: dict[str, dict[int, Score]]


@dataclass(frozen=True, slots=True)
class Path:
    """
    The forecasts made from every day of *actual* (channels, days), as the product makes them.

    *ahead* and *scale* are (channels, days + 1, horizon), *methods* has the methods before that.
    """

    actual: NDArray[np.float64]
    ahead: NDArray[np.float64]
    scale: NDArray[np.float64]
    quantiles: Quantiles
    methods: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """
    What came of the intervals of one cell: whether each *held*, and what it *lost*.

    The loss is its width, and ten times the distance by which it missed (the interval score at
    `LEVEL`; T. Gneiting and A. Raftery 2007), over the mean of the channel's series.
    """

    held: NDArray[np.bool_]
    lost: NDArray[np.float64]


def views_path(gains: NDArray[np.float64], factor: NDArray[np.float64] | None = None) -> Path:
    """Forecast *gains* from each day; *factor* has that of each day, if channels share days."""
    methods = forecast_methods.paths(gains, HORIZON, factor)
    weight = forecast_methods.weights(methods, gains)
    ahead = (weight * methods).sum(axis=0)
    return Path(gains, ahead, view_scale(ahead, gains), VIEWS, methods, weight)


def subscribers_path(counts: NDArray[np.float64], steps: NDArray[np.float64]) -> Path:
    """Forecast the counters *counts* from each day."""
    ahead, scale, weight = combined_path(counts, steps, HORIZON)
    return Path(counts, ahead, scale, SUBSCRIBERS, ahead[None], weight)


def backtest_views(path: Path, days: NDArray[np.bool_] | None = None) -> ViewBacktest:
    """
    Compare forecasts of views with what came, 1 to `HORIZON` days ahead.

    All methods are scored on the same days, by outcomes on *days*. The baseline is the plain 7-day
    median, without `forecast_methods.arrears`.
    """
    gains, methods, ahead = path.actual, path.methods, path.ahead
    low, high = intervals(ahead, gains, path.scale)
    scored = _origins(gains)
    came = gains if days is None else np.where(days, gains, np.nan)
    plain = _plain_median(methods[:, :, :, 0], gains)
    best = path.weight[..., 0].argmax(axis=0)
    chosen = np.take_along_axis(methods[..., 0], best[None], axis=0)[0]
    next_day = {f"{BASELINE}, as it is": score(plain, came, scored)}
    for name, forecast in zip(METHODS, methods[..., 0], strict=True):
        next_day[name] = score(forecast, came, scored)
    next_day[CHOSEN] = score(chosen, came, scored)
    next_day[COMBINED] = score(ahead[:, :, 0], came, scored, (low[:, :, 0], high[:, :, 0]))
    horizons = range(HORIZON)
    return ViewBacktest(
        next_day,
        {
            h + 1: score(ahead[:, :, h], came, scored, (low[:, :, h], high[:, :, h]), later=h)
            for h in horizons
        },
        {f"{BASELINE}, as it is": {h + 1: score(plain, came, scored, later=h) for h in horizons}}
        | {
            name: {h + 1: score(each[:, :, h], came, scored, later=h) for h in horizons}
            for name, each in zip(METHODS, methods, strict=True)
        },
    )


def outcomes(path: Path, days: NDArray[np.bool_] | None = None) -> dict[tuple[int, int], Outcomes]:
    """
    Return what came of the intervals, by days of history and horizon; 0 stands for the week.

    Only outcomes on *days* count; all of a week must be among them.
    """
    low, high = intervals(path.ahead, path.actual, path.scale, path.quantiles)
    found = {
        (history, h): (path.ahead[:, :, h - 1], low[:, :, h - 1], high[:, :, h - 1])
        for history in HISTORIES
        for h in HORIZONS
    }
    if path.quantiles is VIEWS:
        week = week_intervals(path.ahead, path.actual, path.scale, path.quantiles)
        found |= {(history, 0): week for history in HISTORIES}
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nanmean(path.actual, axis=1) if path.actual.size else np.empty(0)
    results = {}
    for (history, h), (middle, *ends) in found.items():
        outcome = _outcome(path.actual, h, days)
        kept = _history(path.actual) == history
        kept &= ~np.isnan(outcome) & ~np.isnan(middle) & (mean > 0)[:, None]
        y, lower, upper = (each[kept] for each in (outcome, *ends))
        missed = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
        over = np.broadcast_to(mean[:, None] * (1 if h else WEEK), kept.shape)[kept]
        results[history, h] = Outcomes(
            (lower <= y) & (y <= upper), (upper - lower + _PENALTY * missed) / over
        )
    return results


def errors_by_spread(
    path: Path, days: NDArray[np.bool_] | None = None
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return the errors over scale and spread of each cell: their quantiles make the intervals."""
    own = spread(path.ahead, path.actual, path.scale, path.quantiles)
    results = {}
    for history in HISTORIES:
        for h in (*HORIZONS, 0):
            middle, scale = (
                (each[:, :, h - 1] if h else each[:, :, :WEEK].sum(axis=2))
                for each in (path.ahead, path.scale)
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                errors = (_outcome(path.actual, h, days) - middle) / (scale * own)
            results[history, h] = errors[(_history(path.actual) == history) & np.isfinite(errors)]
    return results


_PENALTY = 2 / (1 - LEVEL)


def _history(actual: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the shortest of the row's days of history at each origin; 0 with fewer."""
    rows = np.searchsorted(HISTORIES, known_before(actual), side="right")
    return np.array((0, *HISTORIES))[rows]


def _outcome(
    actual: NDArray[np.float64], h: int, days: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """Return what came *h* days ahead of each origin, or in the week from it (0)."""
    kept = actual if days is None else np.where(days, actual, np.nan)
    length = h or WEEK
    padded = np.pad(kept, ((0, 0), (0, length)), constant_values=np.nan)
    if h:
        return padded[:, h - 1 :][:, : actual.shape[1] + 1]
    sums = np.lib.stride_tricks.sliding_window_view(padded, WEEK, axis=1).sum(axis=2)
    return np.asarray(sums[:, : actual.shape[1] + 1])


def backtest_subscribers(path: Path) -> tuple[dict[int, Score], dict[int, Score]]:
    """
    Compare forecasts of subscribers in the same way; also score “the counter stands still”.

    Errors are divided by the mean change over the same number of days: on a counter that moves
    every day, a score of 1 is no better than standing still.
    """
    counts, ahead = path.actual, path.ahead
    low, high = intervals(ahead, counts, path.scale, path.quantiles)
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
    return np.asarray(known_before(series) >= KNOWN_BEFORE)


def _plain_median(
    forecasts: NDArray[np.float64], gains: NDArray[np.float64]
) -> NDArray[np.float64]:
    past = before_each(gains)
    owed = arrears(past, forecast_methods.weekly_median(past))
    return np.asarray(forecasts[METHODS.index(BASELINE)] - owed)
