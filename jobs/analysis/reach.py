"""An item's views compared only with items of similar age: old ones had longer to gather views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.robust import modified_z, neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

PEERS = 20
FEWEST_PEERS = 8
LIKE_AGE = 2.0
"""Peers are at most this many times older or younger."""

OUTLIER_SCORE = 3.5


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Each item against its peers, NaN if it has fewer than `FEWEST_PEERS`.

    *typical* is the median of the peers' views, *ratio* the item's views over it, *score* the
    modified z-score of log views: an item beyond ±`OUTLIER_SCORE` stands out.
    """

    typical: NDArray[np.float64]
    ratio: NDArray[np.float64]
    score: NDArray[np.float64]


def reach(age_days: NDArray[np.float64], views: NDArray[np.float64]) -> Reach:
    """
    Compare each item's *views* with up to `PEERS` items nearest in age, excluding itself.

    The score is `robust.modified_z` on log views, with one view added before the logarithm.
    Ratios do not depend on the unit of age.
    """
    typical, ratio, score = (np.full(age_days.size, np.nan) for _ in range(3))
    usable = np.flatnonzero((age_days > 0) & ~np.isnan(views))
    if usable.size <= FEWEST_PEERS:
        return Reach(typical, ratio, score)
    by_age = usable[np.argsort(age_days[usable], kind="stable")]
    logs, log_age = np.log(views[by_age] + 1), np.log(age_days[by_age])
    peers = neighbours(by_age.size, PEERS)
    values = logs[peers]
    values[np.abs(log_age[peers] - log_age[:, None]) > np.log(LIKE_AGE)] = np.nan
    enough = np.count_nonzero(~np.isnan(values), axis=1) >= FEWEST_PEERS
    if not enough.any():
        return Reach(typical, ratio, score)
    values, kept, own = values[enough], by_age[enough], logs[enough]
    median, score[kept] = modified_z(own, values)
    typical[kept] = np.exp(median) - 1
    ratio[kept] = np.exp(own - median)
    return Reach(typical, ratio, score)
