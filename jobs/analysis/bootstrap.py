"""Bootstrap intervals that stay valid for the small samples that a channel offers."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray


def resampled_indices(rng: np.random.Generator, n: int, draws: int) -> NDArray[np.intp]:
    """Return *draws* rows of *n* indices in `0 … n-1`, drawn with replacement."""
    return rng.integers(0, n, size=(draws, n), dtype=np.intp)


@cache
def every_resample(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return all ways to draw *n* of *n* values with replacement, and the probability of each.

    A way is how often each value is drawn; the shape is (ways, n), with 1,716 ways for seven
    values. Results computed from all of them do not depend on chance.
    """
    drawn = np.array(list(combinations_with_replacement(range(n), n)))
    times = (drawn[:, :, None] == np.arange(n)).sum(axis=1).astype(np.float64)
    chance = np.exp(special.gammaln(n + 1) - special.gammaln(times + 1).sum(axis=1) - n * np.log(n))
    return times, chance


def expanded_percentile(
    estimates: NDArray[np.float64],
    n: int,
    level: float,
    chance: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """
    Return the expanded percentile interval of bootstrap *estimates* made from *n* values.

    The plain percentile interval is too narrow for small *n*: it uses the normal quantile and a
    variance with divisor n. The tails are therefore taken at `Φ(√(n/(n-1)) · t(q, n-1))`,
    q = (1 - level) / 2. *chance* is the probability of each estimate, by default all equal.
    Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap" (2015).

    Raises:
        ValueError: *n* is below 2, or *level* is not between 0 and 1.
    """
    if n <= 1 or not 0 < level < 1:
        raise ValueError(f"an interval needs two values and a level in (0, 1): {n=}, {level=}")
    t = special.stdtrit(n - 1, (1 - level) / 2)
    tail = float(special.ndtr(np.sqrt(n / (n - 1)) * t))
    if chance is None:
        low, high = np.quantile(estimates, [tail, 1 - tail])
    else:
        order = np.argsort(estimates, kind="stable")
        reached = np.cumsum(chance[order]) / chance.sum()
        low, high = estimates[order[np.searchsorted(reached, [tail, 1 - tail])]]
    return float(low), float(high)
