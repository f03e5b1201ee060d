"""The slope through noisy points and its interval, robust against a few outliers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.student import normal_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_POINTS = 400
_FEWEST_FOR_MEMORY = 8
_MOST_MEMORY = 0.9


@dataclass(frozen=True, slots=True)
class Slope:
    """*value* in units of y per unit of x, and the interval *low* to *high* around it."""

    value: float
    low: float
    high: float


def theil_sen(
    x: NDArray[np.float64], y: NDArray[np.float64], level: float, *, serial: bool
) -> Slope | None:
    """
    Return the median slope over all pairs of points, None if all *x* are the same.

    n points have N = n(n-1)/2 slopes; the interval's ends are those at the ranks `(N ± z·√V)/2`,
    `V = n(n-1)(2n+5)/18`. Source: P. K. Sen, "Estimates of the Regression Coefficient Based on
    Kendall's Tau" (1968). With *serial*, points follow each other in time and may be correlated:
    V is then multiplied by `(1+r)/(1-r)`, but never by less than 1. r is the lag-1 autocorrelation
    r₁ of the ranks of the residuals, corrected for the bias from removing a line:
    `r = (n·r₁ + 2)/(n - 4)`. Sources: S. Yue and C. Wang, "The Mann-Kendall test modified by
    effective sample size" (2004); J. van Giersbergen, "On the effect of deterministic terms on the
    bias in stable AR models" (2005).

    *x* ascends; only the newest `MOST_POINTS` points are used.
    """
    x, y = x[-MOST_POINTS:], y[-MOST_POINTS:]
    n = x.size
    earlier, later = _pairs(n)
    run = x[later] - x[earlier]
    apart = run > 0
    if not apart.any():
        return None
    slopes = np.sort((y[later] - y[earlier])[apart] / run[apart])
    value = float(np.median(slopes))
    variance = n * (n - 1) * (2 * n + 5) / 18
    if serial:
        variance *= _inflation(y - value * x)
    reach = normal_quantile((1 + level) / 2) * np.sqrt(variance)
    low, high = (slopes.size - reach) / 2, (slopes.size + reach) / 2
    return Slope(
        value,
        float(slopes[max(int(np.floor(low)), 0)]),
        float(slopes[min(int(np.ceil(high)), slopes.size - 1)]),
    )


@lru_cache(maxsize=32)
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    earlier, later = np.triu_indices(n, 1)
    return earlier, later


def _inflation(residuals: NDArray[np.float64]) -> float:
    n = residuals.size
    ranks = _ranks(residuals) - (n + 1) / 2
    total = float(ranks @ ranks)
    if total == 0 or n <= _FEWEST_FOR_MEMORY:
        return 1.0
    autocorrelation = float(ranks[:-1] @ ranks[1:]) / total
    r = min((n * autocorrelation + 2) / (n - 4), _MOST_MEMORY)
    return max(1.0, (1 + r) / (1 - r))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1 up; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks
