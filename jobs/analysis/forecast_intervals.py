"""
How far off a forecast may be: pooled quantiles of errors, as wide as the channel's own errors.

An error is divided by the size of its forecast and by the channel's `spread`. Of what remains, the
quantiles at each horizon hardly differ between channels, so those of many channels tell more than
the few errors of one (split conformal prediction, J. Lei et al. 2018, with scores normalised by a
local spread, as there in section 5.2). `make backtest ARGS=--fit` computes the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.analysis.forecast_methods import MEMORY, WEEK

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.8
HISTORIES: Final = (7, 14, 28)
"""Each row of a table is for forecasts from so many known days or more, up to the next."""

HORIZONS: Final = (1, 3, 7, 14)
"""Days ahead of the columns; those between are interpolated. The last column is the week's sum."""

USUAL: Final = 0.3
"""The spread of a channel without errors of its own; it counts like one error more."""

LARGEST: Final = 3.0
SMALLEST: Final = 0.02

Ends = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """
    The lower and upper ends at `LEVEL`, by history (rows) and horizon (columns).

    *own*: they are in units of the channel's `spread`, else of the scale alone.
    """

    low: Ends
    high: Ends
    own: bool = True

    def at(self, known: NDArray[np.intp], horizon: int) -> NDArray[np.float64]:
        """Return the ends after *known* days: (2, …, *horizon*)."""
        days = np.arange(1, horizon + 1)
        table = np.array(
            [
                [np.interp(days, HORIZONS, row[:-1]) for row in ends]
                for ends in (self.low, self.high)
            ]
        )
        return np.asarray(table[:, _row(known)])

    def of_week(self, known: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the ends of the week's sum after *known* days: (2, …)."""
        table = np.array([[row[-1] for row in ends] for ends in (self.low, self.high)])
        return np.asarray(table[:, _row(known)])


VIEWS: Final = Quantiles(
    low=(
        (-1.66, -1.66, -1.73, -2.07, -0.90),
        (-1.58, -1.58, -1.64, -1.75, -0.85),
        (-1.68, -1.68, -1.78, -1.82, -0.90),
    ),
    high=(
        (2.82, 5.16, 5.16, 6.71, 3.25),
        (2.65, 4.10, 4.45, 5.14, 2.59),
        (2.53, 4.75, 4.96, 5.20, 2.46),
    ),
)
SUBSCRIBERS: Final = Quantiles(
    low=(
        (-0.13, -0.45, -0.60, -0.60, -0.43),
        (-0.13, -0.60, -0.62, -0.62, -0.50),
        (-0.17, -0.74, -0.75, -0.75, -0.58),
    ),
    high=(
        (1.00, 1.00, 1.20, 1.89, 1.01),
        (1.00, 1.00, 1.09, 1.57, 0.98),
        (1.00, 1.00, 1.00, 1.37, 0.86),
    ),
    own=False,
)
"""A rounded counter stands still on most days: errors of one day say nothing about a week's."""


def intervals(
    ahead: NDArray[np.float64],
    actual: NDArray[np.float64],
    scale: NDArray[np.float64],
    quantiles: Quantiles = VIEWS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the lower and the upper end of an interval at `LEVEL` around each forecast in *ahead*.

    *ahead* and *scale* are (channels, origins, horizon), *actual* is (channels, days): entry
    (c, t, h) of *ahead* is the forecast of day t + h from the days before t. The interval is
    `ahead + scale · spread · quantile`. It does not narrow with the horizon (relative to *scale*),
    never goes below zero, and always contains the forecast.
    """
    ends = quantiles.at(known_before(actual), ahead.shape[2])
    size = scale * spread(ahead, actual, scale, quantiles)[:, :, None]
    return np.clip(ahead + size * ends[0], 0, ahead), np.fmax(ahead + size * ends[1], ahead)


def week_intervals(
    ahead: NDArray[np.float64],
    actual: NDArray[np.float64],
    scale: NDArray[np.float64],
    quantiles: Quantiles = VIEWS,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of the first seven days of *ahead* from each origin, and its interval."""
    week = ahead[:, :, :WEEK].sum(axis=2)
    ends = quantiles.of_week(known_before(actual))
    size = scale[:, :, :WEEK].sum(axis=2) * spread(ahead, actual, scale, quantiles)
    return week, np.clip(week + size * ends[0], 0, week), np.fmax(week + size * ends[1], week)


def spread(
    ahead: NDArray[np.float64],
    actual: NDArray[np.float64],
    scale: NDArray[np.float64],
    quantiles: Quantiles,
) -> NDArray[np.float64]:
    """
    Return the channel's usual relative error one day ahead, known at each origin.

    It is the square of the mean root of `|actual - ahead| / scale` (at most `LARGEST`, so that one
    hit decides nothing) over the last `MEMORY` days, and of `USUAL` once.
    """
    days = actual.shape[1]
    if not quantiles.own:
        return np.ones((actual.shape[0], days + 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.abs(actual - ahead[:, :days, 0]) / scale[:, :days, 0]
    known = np.isfinite(errors)
    roots = np.sqrt(np.minimum(np.where(known, errors, 0.0), LARGEST))
    found = (_lately(roots) + np.sqrt(USUAL)) / (_lately(known.astype(float)) + 1)
    return np.asarray(np.maximum(found**2, SMALLEST))


def known_before(actual: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return how many days before each origin are known: (channels, days + 1)."""
    known = np.cumsum(~np.isnan(actual), axis=1)
    return np.concatenate([np.zeros((actual.shape[0], 1), known.dtype), known], axis=1)


def _row(known: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.maximum(np.searchsorted(HISTORIES, known, side="right") - 1, 0)


def _lately(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the last `MEMORY` days before each origin."""
    summed = np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)], axis=1)
    summed[:, MEMORY:] -= summed[:, : max(summed.shape[1] - MEMORY, 0)].copy()
    return summed
