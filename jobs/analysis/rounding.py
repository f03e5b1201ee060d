"""Whether a counter is rounded, and in which steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 3
"""YouTube rounds public subscriber counts down to three significant digits (since 2019)."""

_ENOUGH_ZEROS = 2


def is_rounded(counter: NDArray[np.float64]) -> bool:
    """
    Return whether *counter* (NaN: not read) looks rounded to `DIGITS` significant digits.

    It does if no reading has more digits and an exact counter would look like that by chance in at
    most one of a hundred cases. A distinct reading of m digits ends in m - 3 zeros with
    probability `10 ** -(m - 3)`, so two such zeros are needed over all readings. Readings below
    1,000 say nothing either way.
    """
    readings = np.sort(counter[counter >= 10**DIGITS])
    readings = readings[np.diff(readings, prepend=0) > 0]
    if readings.size == 0:
        return False
    steps = resolution_at(readings)
    if np.any(np.mod(readings, steps) != 0):
        return False
    return float(np.log10(steps).round().sum()) >= _ENOUGH_ZEROS


def resolution_at(readings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the step between neighbouring rounded values at each of *readings*, at least 1."""
    magnitude = np.floor(np.log10(np.maximum(readings, 1.0)) + 1e-12)
    step: NDArray[np.float64] = np.power(10.0, np.maximum(magnitude - DIGITS + 1, 0))
    return step


def step_of(counter: NDArray[np.float64]) -> int:
    """Return the rounding step of *counter* (no NaN) at its last reading, 1 if exact or empty."""
    return int(resolution_at(counter[-1:])[0]) if is_rounded(counter) else 1
