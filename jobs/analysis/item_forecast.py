"""
Forecast an item's views for tomorrow: its daily gains decay as a power of its age.

Interest in a video fades as `age ** -beta` after its first day. Source: R. Crane and D. Sornette,
"Robust dynamic classes revealed by measuring the response function of a social system" (2008),
who find exponents around 1 for ordinary and viral videos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECAY: Final = 1.15
"""The exponent that an item's own exponent is shrunk towards."""

FIRST_DECAY: Final = 1.45
"""The exponent of an item with one known gain: it is young and still fades faster."""

OWN_WEIGHT: Final = 0.5
STEEPEST: Final = 3.0
OLDER: Final = 0.5
"""Days added to every age, because a day's list is read some time after the day began."""

LOW: Final = 0.65
HIGH: Final = 1.5
"""Four out of five gains fell between these multiples of the expected gain."""

FIRST_LOW: Final = 0.5
FIRST_HIGH: Final = 1.6
"""The same if only one gain is known, which does not show how the item fades."""


def next_day_views(
    age_days: NDArray[np.float64], views: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the views of items a day after their last reading, and the ends of an 80 % interval.

    *views* is (items, 3): the last three readings, a day apart, the newest last; a missing first
    one is NaN. *age_days* is the age at the last. With g the last day's gain and a the age, the
    next gain is `g · ((a-½)/(a+½)) ** beta`. beta is the mean of `DECAY` and the exponent of the
    last two gains (clipped to 0 and `STEEPEST`); `DECAY` if one of these is zero; `FIRST_DECAY` if
    only one gain is known. A counter that fell counts as no gain. Only ratios of ages and of gains
    are used, so the unit of views does not matter.
    """
    age = np.maximum(age_days + OLDER, 1.0)
    gain = np.diff(views, axis=1)
    first = np.isnan(gain[:, 0])
    gain = np.maximum(gain, 0.0)
    beta = np.where(first, FIRST_DECAY, _decay(age, gain))
    expected = gain[:, 1] * ((age - 0.5) / (age + 0.5)) ** beta
    last = views[:, 2]
    low = last + np.where(first, FIRST_LOW, LOW) * expected
    high = last + np.where(first, FIRST_HIGH, HIGH) * expected
    return last + expected, low, high


def _decay(age: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    both = (gain > 0).all(axis=1)
    run = np.log(np.maximum(age - 0.5, 1e-9) / np.maximum(age - 1.5, 0.2))
    fallen = np.log(np.where(both, gain[:, 0], 1.0) / np.where(both, gain[:, 1], 1.0))
    own = np.clip(fallen / run, 0.0, STEEPEST)
    return np.where(both, OWN_WEIGHT * own + (1 - OWN_WEIGHT) * DECAY, DECAY)
