"""How far a value is from others, measured so that outliers do not mask themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def modified_z(
    own: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the median of each row of *others* (NaN: unknown), and the score of *own* against it.

    The score is `0.6745 · (x - median) / MAD`, or with a MAD of zero `(x - median) / (1.2533 ·
    mean absolute deviation)`; both divisors estimate one standard deviation. It is NaN where
    nothing varies. Source: B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers" (1993).
    """
    median = _medians(others)
    deviation = np.abs(others - median[:, None])
    spread = _medians(deviation) / 0.6745
    spread = np.where(spread > 0, spread, 1.2533 * np.nanmean(deviation, axis=1))
    varies = spread > 0
    score = np.where(varies, (own - median) / np.where(varies, spread, 1), np.nan)
    return median, score


def _medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's median; `numpy.nanmedian` takes ten times as long for short rows."""
    ordered = np.sort(rows, axis=1)
    known = np.count_nonzero(~np.isnan(rows), axis=1)[:, None]
    middle = [np.take_along_axis(ordered, at // 2, axis=1)[:, 0] for at in (known - 1, known)]
    return np.asarray((middle[0] + middle[1]) / 2)


def neighbours(n: int, most: int) -> NDArray[np.intp]:
    """Row i: up to *most* ranks around i, without i; near an end the window shifts inward."""
    width = min(most, n - 1)
    start = np.clip(np.arange(n) - width // 2, 0, n - width - 1)[:, None]
    ranks = start + np.arange(width + 1)
    others = ranks != np.arange(n)[:, None]
    nearest: NDArray[np.intp] = ranks[others].reshape(n, width)
    return nearest
