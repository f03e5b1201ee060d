"""The rows about forecasts: errors, intervals by history and horizon, milestones, unusual days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.rows import ENOUGH, Row, share
from jobs.analysis.backtest import (
    COMBINED,
    Outcomes,
    Path,
    backtest_views,
    errors_by_spread,
    outcomes,
    subscribers_path,
    views_path,
)
from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.forecast_intervals import HISTORIES, HORIZONS, LEVEL
from jobs.analysis.milestones import LEVEL as MILESTONE_LEVEL
from jobs.analysis.milestones import days_until, pace_of
from jobs.analysis.outliers import unusual_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from jobs.channel.platform_day import PlatformDay

FORTNIGHT: Final = 14
PIECE: Final = HISTORIES[-1] + FORTNIGHT
SIMPLE: Final = ("median of 28 days", "exponential smoothing by")
"""The simple methods that forecasts of a week and two must beat."""

_APART: Final = np.log(1.25)
_AHEAD: Final = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """Forecasts of a set of series, and the *days* on which outcomes count."""

    path: Path
    days: NDArray[np.bool_]


def pieces(
    gains: NDArray[np.float64], factor: NDArray[np.float64] | None, days: NDArray[np.bool_]
) -> list[Piece]:
    """
    Return the forecasts of *gains*, and of the same series as if they began later.

    One begins every fortnight, so that short histories are met on all kinds of days.
    """
    return [
        Piece(views_path(gains[:, part], None if factor is None else factor[part]), days[part])
        for part in _parts(gains.shape[1])
    ]


def pieces_of_counters(
    counts: NDArray[np.float64], steps: NDArray[np.float64], days: NDArray[np.bool_]
) -> list[Piece]:
    """Return the same for counters of subscribers."""
    return [
        Piece(subscribers_path(counts[:, part], steps), days[part])
        for part in _parts(counts.shape[1])
    ]


def _parts(days: int) -> Iterable[slice]:
    yield slice(0, days)
    for start in range(FORTNIGHT, days - FORTNIGHT + 1, FORTNIGHT):
        yield slice(start, min(start + PIECE, days))


def next_days(data: str, piece: Piece) -> Iterable[Row]:
    """Yield the errors one day ahead, and those of a week and two over the best simple method's."""
    found = backtest_views(piece.path, piece.days)
    one = found.next_day[COMBINED]
    yield Row("MAE over mean", data, "next day", one.error, one.days)
    for h in (7, 14):
        ours = found.by_horizon[h]
        best, name = min(
            (scores[h].error, name)
            for name, scores in found.baselines_by_horizon.items()
            if name.startswith(SIMPLE) and "weekday" not in name
        )
        if np.isfinite(best):
            yield Row("MAE over mean", data, f"{h} days", ours.error, ours.days)
            yield Row(
                "over the best simple one's",
                data,
                f"{h} days ({name})",
                ours.error / best,
                ours.days,
            )


def held(data: str, what: str, found: Sequence[Piece]) -> Iterable[Row]:
    """Yield how often intervals held, by history and horizon, and what they lost."""
    cells: dict[tuple[int, int], list[Outcomes]] = {}
    for piece in found:
        for cell, one in outcomes(piece.path, piece.days).items():
            cells.setdefault(cell, []).append(one)
    lost: dict[int, list[NDArray[np.float64]]] = {}
    for (history, h), several in cells.items():
        kept = np.concatenate([one.held for one in several])
        lost.setdefault(h, []).extend(one.lost for one in several)
        if kept.size:
            name = f"{what}, {_histories(history)} days, {_horizon(h)}"
            yield share(f"held at {LEVEL:.0%}", data, name, int(kept.sum()), kept.size)
    for h, losses in lost.items():
        together = np.concatenate(losses)
        if together.size:
            mean = float(together.mean())
            yield Row(
                "interval score over mean", data, f"{what}, {_horizon(h)}", mean, together.size
            )


def _histories(history: int) -> str:
    later = [one for one in HISTORIES if one > history]
    return f"{history}–{later[0] - 1}" if later else f"{history}+"


def _horizon(h: int) -> str:
    return f"{h} ahead" if h else "the week"


def milestones(data: str, gains: NDArray[np.float64]) -> Iterable[Row]:
    """Yield how often a counter passed, within its interval, what it gains in `_AHEAD` days."""
    for history, most in zip(HISTORIES[1:], (*HISTORIES[2:], gains.shape[1]), strict=True):
        kept = cases = 0
        for series in gains:
            for origin in range(history, most, 7):
                before, after = series[:origin], series[origin:]
                pace = pace_of(before)
                if pace is None or pace.mean <= 0 or after.size < 3 * _AHEAD:
                    continue
                missing = _AHEAD * pace.mean
                ahead = days_until(missing, pace, MILESTONE_LEVEL)
                passed = np.flatnonzero(np.cumsum(after) >= missing)
                if ahead is None or np.isnan(after[: 3 * _AHEAD]).any():
                    continue
                day = int(passed[0]) + 1 if passed.size else after.size + 1
                cases += 1
                kept += ahead[0] <= day <= (ahead[1] or np.inf)
        if cases:
            yield share(
                f"held at {MILESTONE_LEVEL:.0%}",
                data,
                f"milestones, {_histories(history)} days",
                kept,
                cases,
            )


def unusual(
    data: str, gains: NDArray[np.float64], own: tuple[PlatformDay, ...], first: np.datetime64
) -> Iterable[Row]:
    """
    Yield the share of unusual days that are the platform's, without its days and with them.

    That is a day on which the median channel of the set was apart from its own fortnight before and
    after by more than a quarter, in the same direction.
    """
    days = first + np.arange(gains.shape[1])
    around = np.full(gains.shape, np.nan)
    for t in range(gains.shape[1]):
        near = gains[:, max(t - FORTNIGHT, 0) : t + FORTNIGHT + 1]
        some = (~np.isnan(near)).any(axis=1)
        around[some, t] = np.nanmedian(near[some], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(gains / np.where(around > 0, around, np.nan))
    common = np.array([np.median(each[~np.isnan(each)]) for each in logs.T])
    for name, known in (("without", ()), ("with", own)):
        platforms = cases = 0
        for series in gains:
            found = unusual_days(DailyGains(days, series), known)
            if not found.present:
                continue
            for one in found.days:
                shared = common[(np.datetime64(one.day) - first).astype(int)]
                cases += 1
                platforms += abs(shared) > _APART and (shared > 0) == (one.kind == "rise")
        yield share(
            "the platform's", data, f"unusual days, {name} its days known", platforms, cases
        )


def quantiles(found: Iterable[Piece]) -> tuple[str, str]:
    """Return the tables of the lower and upper ends, from the errors of all sets together."""
    cells: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for piece in found:
        for cell, errors in errors_by_spread(piece.path, piece.days).items():
            cells.setdefault(cell, []).append(errors)
    together = {cell: np.concatenate(each) for cell, each in cells.items()}
    ends = []
    for tail, sign in (((1 - LEVEL) / 2, -1), ((1 + LEVEL) / 2, 1)):
        rows = []
        for history in HISTORIES:
            *row, week = (
                float(np.quantile(errors, tail, method="lower" if sign > 0 else "higher"))
                if (errors := together[history, h]).size >= ENOUGH
                else np.nan
                for h in (*HORIZONS, 0)
            )
            widened = [*(sign * np.array(_not_narrower([sign * one for one in row]))), week]
            rows.append("(" + ", ".join(f"{one:.2f}" for one in widened) + ")")
        ends.append("(" + ", ".join(rows) + ")")
    return ends[0], ends[1]


def _not_narrower(widths: Sequence[float]) -> list[float]:
    """Pool neighbours until no width is below the one before (isotonic regression)."""
    blocks: list[list[float]] = []
    for width in widths:
        blocks.append([width if np.isfinite(width) or not blocks else blocks[-1][-1]])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    return [float(np.mean(block)) for block in blocks for _ in block]
