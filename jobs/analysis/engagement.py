"""How many viewers react: likes and comments per thousand views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from jobs.analysis.item_arrays import item_arrays
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

FEWEST_VIEWS = 100
"""Items with fewer views are left out: their rate per thousand is mostly noise."""

_FEWEST = 5


class Rate(Section):
    """Reactions per 1,000 views over *items* items: the median and the quartiles around it."""

    items: int
    median: float
    lower_quartile: float
    upper_quartile: float


class Engagement(Section):
    """Likes and comments per 1,000 views; each may be missing on its own."""

    likes: Annotated[Rate | Missing, Field(discriminator="present")]
    comments: Annotated[Rate | Missing, Field(discriminator="present")]


def engagement(data: ChannelData) -> Engagement | Missing:
    """Return how many viewers react, or why the data cannot tell."""
    items = item_arrays(data.items)
    if not np.any(items.views > 0):
        return Missing(reason="The source gives no views of single items.")
    return Engagement(
        likes=_rate("likes", items.likes, items.views),
        comments=_rate("comments", items.comments, items.views),
    )


def per_thousand(reactions: NDArray[np.float64], views: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `1000 · reactions / views` per item; NaN if either is unknown or views are few."""
    enough = np.where(views >= FEWEST_VIEWS, views, np.nan)
    return 1000 * reactions / enough


def _rate(noun: str, reactions: NDArray[np.float64], views: NDArray[np.float64]) -> Rate | Missing:
    if np.isnan(reactions).all():
        return Missing(reason=f"The source gives no {noun}.")
    rates = per_thousand(reactions, views)
    known = rates[~np.isnan(rates)]
    if known.size < _FEWEST:
        return Missing(
            reason=f"A rate of {noun} needs {_FEWEST} items that tell them and have {FEWEST_VIEWS} "
            f"views or more, and the source lists {known.size or 'none'}."
        )
    lower, median, upper = np.quantile(known, [0.25, 0.5, 0.75])
    return Rate(
        items=int(known.size),
        median=float(median),
        lower_quartile=float(lower),
        upper_quartile=float(upper),
    )
