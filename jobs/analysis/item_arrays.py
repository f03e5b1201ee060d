"""A channel's items as arrays of equal length, the form that computations need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.analysis.columns import floats_of, instants_of

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class ItemArrays:
    """
    Items sorted by publication; NaT or NaN where the source gives no value.

    *age_days* is the age when *views*, *likes* and *comments* were read.
    """

    ids: list[str]
    titles: list[str]
    urls: list[str | None]
    published_at: NDArray[np.datetime64]
    duration_s: NDArray[np.float64]
    age_days: NDArray[np.float64]
    views: NDArray[np.float64]
    likes: NDArray[np.float64]
    comments: NDArray[np.float64]


def item_arrays(items: pl.DataFrame) -> ItemArrays:
    """Return the arrays of a channel's `items` frame."""
    published_at, observed_at = (
        instants_of(items["published_at"]),
        instants_of(items["observed_at"]),
    )
    age = (observed_at - published_at) / _DAY
    return ItemArrays(
        ids=items["item_id"].to_list(),
        titles=items["title"].to_list(),
        urls=items["url"].to_list(),
        published_at=published_at,
        duration_s=floats_of(items["duration_s"]),
        age_days=np.where(age > 0, age, np.nan),
        views=floats_of(items["views"]),
        likes=floats_of(items["likes"]),
        comments=floats_of(items["comments"]),
    )
