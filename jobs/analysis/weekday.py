"""The weekly rhythm of daily numbers: taken out once, for all that asks what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEEK = 7
FEWEST_WEEKS = 4
"""With fewer, one odd day would pass for a rhythm."""


def without_weekday(logs: NDArray[np.float64], place: NDArray[np.intp]) -> NDArray[np.float64]:
    """
    Subtract from each of *logs* its weekday's usual distance from the days around it.

    *logs* are in order of time, without unknown ones; *place* counts days, in any order of
    weekdays. The distance is the median over all weeks of that from the median of seven days, so
    that neither a level nor a single day passes for a rhythm. Below `FEWEST_WEEKS` it is unknown,
    and nothing is subtracted.
    """
    if logs.size < FEWEST_WEEKS * WEEK:
        return logs
    weekday = place % WEEK
    padded = np.pad(logs, WEEK // 2, mode="edge")
    left = logs - np.median(np.lib.stride_tricks.sliding_window_view(padded, WEEK), axis=1)
    usual = np.array(
        [np.median(left[weekday == i]) if np.any(weekday == i) else 0 for i in range(WEEK)]
    )
    return np.asarray(logs - usual[weekday])
