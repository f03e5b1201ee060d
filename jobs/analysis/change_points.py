"""Days on which the level of daily views changed for good, not just for a day."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.analysis.bootstrap import expanded_percentile
from jobs.analysis.daily_gains import channel_gains
from jobs.analysis.outliers import MOST_EMPTY
from jobs.analysis.randomness import generator
from jobs.analysis.section import Missing, Section
from jobs.analysis.weekday import without_weekday

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

SHORTEST = 7
"""A level must last at least this many days."""

FEWEST = 3 * SHORTEST
LONGEST = 400
LEVEL = 0.95
_CRITICAL = 68.6
_DRAWS = 400
_CUT_OFF = 3.0


class ChangePoint(BaseModel):
    """
    From *day* on, views are *ratio* times those before; *low* to *high* is its interval at *level*.

    *before* and *after* are the medians of views per day between this change and its neighbours.
    *strength* is the statistic over its critical value, above 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    before: float
    after: float
    ratio: float
    low: float
    high: float
    level: float
    strength: float


class Changes(Section):
    """The *points* at which the level of views changed in *days* known days, in time order."""

    first_day: date
    last_day: date
    days: int
    points: list[ChangePoint]


def change_points(data: ChannelData) -> Changes | Missing:
    """Return when the level of views changed, or why the data cannot tell."""
    return level_changes(channel_gains(data, "views"), data.fingerprint)


def level_changes(gains: DailyGains, fingerprint: str) -> Changes | Missing:
    """
    Split daily views wherever their level changes, recursively (binary segmentation).

    A stretch of n days is split where the self-normalised CUSUM statistic of its log views exceeds
    68.6, the 1 % critical value for any n and any dependence of a day on earlier days. Source:
    X. Shao and X. Zhang, "Testing for Change Points in Time Series" (2010). First, the weekly
    rhythm is removed and single extreme days are clipped at three robust standard deviations.
    The interval of a ratio comes from resampling whole weeks on either side. A change whose
    interval contains 1 is dropped, the weakest first, and the two levels are merged.
    """
    known = np.flatnonzero(~np.isnan(gains.gains))[-LONGEST:]
    values = gains.gains[known]
    if values.size < FEWEST:
        return Missing(
            reason=f"A change of level needs {FEWEST} days of known views; {values.size} are known."
        )
    if np.mean(values == 0) > MOST_EMPTY:
        return Missing(reason="Views arrive in batches: a change of level cannot be dated.")
    logs = np.log(np.maximum(values, values[values > 0].min() / 2))
    adjusted = without_weekday(logs, known)
    cuts, points = sorted(_cuts(adjusted, 0)), list[ChangePoint]()
    while cuts:
        edges = [0, *(cut for cut, _ in cuts), values.size]
        points = [
            _point(
                values[edges[i] : cut],
                values[cut : edges[i + 2]],
                gains.days[known[cut]].item(),
                strength,
                fingerprint,
            )
            for i, (cut, strength) in enumerate(cuts)
        ]
        unclear = [i for i, point in enumerate(points) if point.low <= 1 <= point.high]
        if not unclear:
            break
        weakest = min(unclear, key=lambda i: points[i].strength)
        del cuts[weakest], points[weakest]
    return Changes(
        first_day=gains.days[known[0]].item(),
        last_day=gains.days[known[-1]].item(),
        days=int(values.size),
        points=points,
    )


def self_normalised_cusum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the statistic for a change of mean after the first k values, k from 1 to n-1.

    It is `T(k)² / V(k)`, with T(k) = n^(-1/2) · Σ_{t≤k} (x_t - mean) and V(k) the sum of the
    squared partial sums of both sides, each about the side's own mean, over n². It does not depend
    on unit or level. Zero where nothing varies.
    """
    n = values.size
    k = np.arange(1, n)[:, None]
    t = np.arange(1, n + 1)[None, :]
    sums = np.cumsum(values - values.mean())
    cut, run = sums[:-1, None], sums[None, :]
    before = np.where(t <= k, run - t / k * cut, 0.0)
    # The sum from t to n, less its share of the right side's total.
    from_t = sums[-1] - np.concatenate([[0.0], sums[:-1]])[None, :]
    after = np.where(t > k, from_t - (n - t + 1) / (n - k) * (sums[-1] - cut), 0.0)
    spread = ((before**2).sum(axis=1) + (after**2).sum(axis=1)) / n**2
    moved = sums[:-1] ** 2 / n
    least = 1e-12 * max(float(values @ values), 1e-300)
    # Two constant stretches leave nothing to normalise by, and are the clearest change of all.
    clear = np.where(moved > least, np.inf, 0.0)
    varies = spread > least
    return np.asarray(np.where(varies, moved / np.where(varies, spread, 1), clear))


def _cuts(values: NDArray[np.float64], start: int) -> Iterator[tuple[int, float]]:
    if values.size < FEWEST:
        return
    inner = slice(SHORTEST - 1, values.size - SHORTEST)
    statistic = self_normalised_cusum(_cut_off(values))[inner]
    at = int(np.argmax(statistic))
    if statistic[at] <= _CRITICAL:
        return
    cut = at + SHORTEST
    yield start + cut, float(min(statistic[at] / _CRITICAL, 1e6))
    yield from _cuts(values[:cut], start)
    yield from _cuts(values[cut:], start + cut)


def _cut_off(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clip each value to the usual range of the days around it, so that a level stays a level."""
    padded = np.pad(values, SHORTEST // 2, mode="edge")
    centre = np.median(np.lib.stride_tricks.sliding_window_view(padded, SHORTEST), axis=1)
    spread = _CUT_OFF * 1.4826 * np.median(np.abs(values - centre))
    if spread == 0:
        return values
    return np.asarray(np.clip(values, centre - spread, centre + spread))


def _point(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    day: date,
    strength: float,
    fingerprint: str,
) -> ChangePoint:
    rng = generator(fingerprint, f"changes.{day}")
    # A median of zero has no ratio; half of the lowest positive value replaces it.
    both = np.concatenate([before, after])
    floor = float(both[both > 0].min()) / 2
    centre = [max(float(np.median(side)), floor) for side in (before, after)]
    drawn = [np.maximum(_medians_of_weeks(side, rng), floor) for side in (before, after)]
    weeks = max(min(before.size, after.size) // SHORTEST, 2)
    low, high = expanded_percentile(np.log(drawn[1] / drawn[0]), weeks, LEVEL)
    ratio = centre[1] / centre[0]
    return ChangePoint(
        day=day,
        before=float(np.median(before)),
        after=float(np.median(after)),
        ratio=ratio,
        low=min(float(np.exp(low)), ratio),
        high=max(float(np.exp(high)), ratio),
        level=LEVEL,
        strength=strength,
    )


def _medians_of_weeks(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return medians of resamples as long as *values*, made of runs of seven days."""
    blocks = -(-values.size // SHORTEST)
    starts = rng.integers(0, values.size - SHORTEST + 1, size=(_DRAWS, blocks))
    index = (starts[:, :, None] + np.arange(SHORTEST)).reshape(_DRAWS, -1)[:, : values.size]
    medians: NDArray[np.float64] = np.median(values[index], axis=1)
    return medians
