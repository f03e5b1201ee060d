"""A straight line through noisy points that a few wild ones cannot bend, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

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
    Return the median slope over all pairs of points, None where all *x* are the same.

    Of n points there are N = n(n-1)/2 slopes; the interval is cut from them at the ranks
    `(N ± z·√V)/2`, `V = n(n-1)(2n+5)/18`. Source: P. K. Sen, "Estimates of the Regression
    Coefficient Based on Kendall's Tau" (1968). With *serial*, points follow each other in time and
    may resemble their neighbours: V is then multiplied by `(1+r)/(1-r)`, and never by less than 1,
    r being the lag-1 autocorrelation r₁ of the ranks of what the line leaves, freed of the bias
    that taking out a line gives it: `r = (n·r₁ + 2)/(n - 4)`. Sources: S. Yue and C. Wang, "The
    Mann-Kendall test modified by effective sample size" (2004); J. van Giersbergen, "On the effect
    of deterministic terms on the bias in stable AR models" (2005).

    *x* ascends; only the newest `MOST_POINTS` points are used.
    """
    x, y = x[-MOST_POINTS:], y[-MOST_POINTS:]
    n = x.size
    one, other = np.triu_indices(n, 1)
    run = x[other] - x[one]
    apart = run > 0
    if not apart.any():
        return None
    slopes = np.sort((y[other] - y[one])[apart] / run[apart])
    value = float(np.median(slopes))
    variance = n * (n - 1) * (2 * n + 5) / 18
    if serial:
        variance *= _inflation(y - value * x)
    reach = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    low, high = (slopes.size - reach) / 2, (slopes.size + reach) / 2
    return Slope(
        value,
        float(slopes[max(int(np.floor(low)), 0)]),
        float(slopes[min(int(np.ceil(high)), slopes.size - 1)]),
    )


def _inflation(left: NDArray[np.float64]) -> float:
    n = left.size
    ranks = _ranks(left) - (n + 1) / 2
    total = float(ranks @ ranks)
    if total == 0 or n <= _FEWEST_FOR_MEMORY:
        return 1.0
    seen = float(ranks[:-1] @ ranks[1:]) / total
    r = min((n * seen + 2) / (n - 4), _MOST_MEMORY)
    return max(1.0, (1 + r) / (1 - r))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 up, equal values sharing the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks
