"""Table columns as numpy arrays. Instants are UTC, which numpy cannot record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


def aware(instant: np.datetime64) -> datetime:
    """Return *instant* (not NaT) as an aware datetime in UTC."""
    naive: datetime = instant.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)


def instants_of(column: pl.Series) -> NDArray[np.datetime64]:
    """Return a datetime column as microseconds in UTC, NaT where null."""
    return column.to_numpy().astype("datetime64[us]", copy=False)


def floats_of(column: pl.Series) -> NDArray[np.float64]:
    """Return a column of numbers as floats, NaN where null."""
    return column.to_numpy().astype(np.float64, copy=False)
