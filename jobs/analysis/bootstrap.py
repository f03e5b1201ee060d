"""Bootstrap intervals that stay valid for the small samples that a channel offers."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.student import normal_below, t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resampled_indices(rng: np.random.Generator, n: int, draws: int) -> NDArray[np.intp]:
    """Return *draws* rows of *n* indices in `0 … n-1`, drawn with replacement."""
    return rng.integers(0, n, size=(draws, n), dtype=np.intp)


def expanded_percentile(
    estimates: NDArray[np.float64],
    n: int,
    level: float,
) -> tuple[float, float]:
    """
    Return the expanded percentile interval of bootstrap *estimates* made from *n* values.

    The plain percentile interval is too narrow for small *n*: it uses the normal quantile and a
    variance with divisor n. The tails are therefore taken at `Φ(√(n/(n-1)) · t(q, n-1))`,
    q = (1 - level) / 2.
    Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap" (2015).

    Raises:
        ValueError: *n* is below 2, or *level* is not between 0 and 1.
    """
    if n <= 1 or not 0 < level < 1:
        raise ValueError(f"an interval needs two values and a level in (0, 1): {n=}, {level=}")
    tail = normal_below(sqrt(n / (n - 1)) * t_quantile(n - 1, (1 - level) / 2))
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return float(low), float(high)
