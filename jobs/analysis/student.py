"""
Student's t and the normal distribution, for intervals and tests.

`scipy.special` has both, and takes longer to import than an analysis takes. What is here agrees
with it to ten digits.
"""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_HALF: Final = 0.5
_SMALLEST: Final = 1e-300
_DIGITS: Final = 1e-16
_MOST_STEPS: Final = 10_000
_ALIKE: Final = 1e-9
"""Each step doubles the digits, so the last one has twice as many."""
_MOST_CORRECTIONS: Final = 100


def normal_below(z: float) -> float:
    """Return the chance of a standard normal value below *z*."""
    return 0.5 * erfc(-z / sqrt(2))


def normal_quantile(p: float) -> float:
    """Return the value that a standard normal one is below with chance *p*, in (0, 1)."""
    return _NORMAL.inv_cdf(p)


def t_below(freedom: float, t: float) -> float:
    """
    Return the chance that a value of Student's t is below *t*; *freedom* is above 0.

    Source: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.1.
    """
    square = t * t
    tail = 0.5 * _beta_share(freedom / 2, 0.5, freedom / (freedom + square), square / freedom)
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=4096)
def t_quantile(freedom: float, p: float) -> float:
    """Return the value that one of Student's t is below with chance *p*, in (0, 1)."""
    if p == _HALF:
        return 0.0
    tail = min(p, 1 - p)
    found = _first_guess(freedom, tail)
    scale = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - 0.5 * log(freedom * pi)
    for _ in range(_MOST_CORRECTIONS):
        density = exp(scale - (freedom + 1) / 2 * log1p(found * found / freedom))
        # In logarithms: far out, where tails are heavy, plain steps would take for ever.
        below = t_below(freedom, found)
        change = below * log(below / tail) / density
        found -= change
        if abs(change) <= _ALIKE * abs(found):
            break
    return found if p < _HALF else -found


def _first_guess(freedom: float, tail: float) -> float:
    """The normal quantile, spread; Abramowitz and Stegun, 26.7.5."""
    z = normal_quantile(tail)
    cubed = z**3
    return (
        z
        + (cubed + z) / (4 * freedom)
        + (5 * z**5 + 16 * cubed + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * cubed - 15 * z) / (384 * freedom**3)
    )


def _beta_share(a: float, b: float, x: float, odds: float) -> float:
    """
    Return the regularised incomplete beta function of *x*; *odds* is `(1 - x) / x`.

    Source: W. Press and others, "Numerical Recipes" (2007), 6.4.
    """
    if odds <= 0:
        return 1.0
    factor = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + b * log(odds) - (a + b) * log1p(odds))
    if x < (a + 1) / (a + b + 2):
        return factor * _fraction(a, b, x) / a
    return 1 - factor * _fraction(b, a, odds * x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c = 1.0
    d = 1.0 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_STEPS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _not_zero(1 + numerator * d)
            c = _not_zero(1 + numerator / c)
            step = c * d
            found *= step
        if abs(step - 1) <= _DIGITS:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST
