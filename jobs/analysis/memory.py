"""What neighbouring days have in common, and how much wider it makes an interval of their mean."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.student import t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 0.8
"""A stronger lag-1 autocorrelation cannot be told from a trend in a few weeks."""

_WEEK: Final = 7
_LOST_TO_MEAN: Final = 3.0
_LOST: Final = 4
_LOST_OF_WEEKS: Final = 3
_FEWEST_FREEDOM: Final = 3.0
_STEPS: Final = 80


def mean_interval(
    values: NDArray[np.float64], level: float, noise: float = 0.0
) -> tuple[float, float]:
    """
    Return the mean of *values*, one a day, and the half width of its interval at *level*.

    Student's t with the standard error and the degrees of freedom of correlated days: both are
    corrected by `(1+r)/(1-r)`, r being the lag-1 autocorrelation, never below zero, corrected for
    bias by `(n·r₁ + 3)/(n - 4)`. *noise* is the variance that rounding adds to a value, half of
    which it takes from its neighbour. Source: F. Zwiers and H. von Storch, "Taking Serial
    Correlation into Account in Tests of the Mean" (1995).
    """
    n, mean = values.size, float(values.mean())
    apart = values - mean
    variance = max(float(apart @ apart) / (n - 1) - noise, 0.0)
    if variance == 0:
        return mean, 0.0
    shared = float(apart[:-1] @ apart[1:]) / (n - 1) + noise / 2
    r = min(max((n * shared / variance + _LOST_TO_MEAN) / (n - _LOST), 0.0), MOST)
    inflation = (1 + r) / (1 - r)
    freedom = max(n / inflation - 1, _FEWEST_FREEDOM)
    t = t_quantile(freedom, (1 + level) / 2)
    return mean, t * float(np.sqrt(variance * inflation / n))


def week_to_week(logs: NDArray[np.float64]) -> float | None:
    """
    Return the lag-1 autocorrelation of daily *logs* (NaN: unknown), from differences of weeks.

    Differences to the same weekday a week before have neither a weekly rhythm nor a level, and
    nearly the memory of the days themselves. None with fewer than 14 pairs of neighbours.
    """
    apart = logs[_WEEK:] - logs[:-_WEEK]
    known = ~np.isnan(apart)
    n = int(np.count_nonzero(known))
    if n <= 2 * _WEEK:
        return None
    apart = np.where(known, apart - np.nanmean(apart), 0.0)
    total = float(apart @ apart)
    if total == 0:
        return 0.0
    r = float(apart[:-1] @ apart[1:]) / total
    return min(max(n * r / (n - _LOST_OF_WEEKS), 0.0), MOST)


def paired_weeks_inflation(r: float, pairs: int) -> float:
    """
    Return by how much memory widens the squared error of a mean difference of two weeks.

    It is the true variance of the mean of *pairs* differences of days a week apart, over what their
    own scatter says, if the days are a first-order autoregression with coefficient *r*.
    """
    return _inflation(round(r * _STEPS), pairs)


@cache
def _inflation(step: int, pairs: int) -> float:
    day = np.arange(2 * _WEEK)
    shared = (step / _STEPS) ** np.abs(day[:, None] - day)
    difference = np.eye(_WEEK, 2 * _WEEK, k=_WEEK) - np.eye(_WEEK, 2 * _WEEK)
    own = (difference @ shared @ difference.T)[:pairs, :pairs]
    scatter = (float(np.trace(own)) - float(own.sum()) / pairs) / (pairs - 1)
    return float(own.sum()) / pairs / scatter
