"""Which items bring the channel its views, and which stand out from others of their age."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from jobs.analysis.columns import aware, instants_of
from jobs.analysis.item_arrays import ItemArrays, item_arrays
from jobs.analysis.reach import OUTLIER_SCORE, Reach, reach
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData

TOP = 10
OUTLIERS = 5


class RankedItem(BaseModel):
    """
    One item with its counters, and how it compares with items of similar age.

    *typical_views* is the median of its peers, *ratio* its own views over that, *score* the
    modified z-score of log views; all are None if it has too few peers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    title: str
    published_at: datetime | None
    age_days: float | None
    duration_s: int | None
    views: int
    likes: int | None
    comments: int | None
    typical_views: float | None
    ratio: float | None
    score: float | None
    url: str | None = None


class Items(Section):
    """
    The items with known views: *counted* of *listed*, *compared* of them with peers.

    Peers are items of similar age. Items that left their source serve only as peers. *top* are the
    most viewed, *standouts* those far above and *laggards* those far below their peers, the
    farthest first. *top_share* is the share of all listed views that the `TOP` most viewed items
    have, None if there are fewer than twice as many items.
    """

    listed: int
    counted: int
    compared: int
    views: int
    top_share: float | None
    top: list[RankedItem]
    standouts: list[RankedItem]
    laggards: list[RankedItem]


def items(data: ChannelData) -> Items | Missing:
    """Return the items that matter, or why the data cannot tell."""
    found = item_arrays(data.items)
    here = np.isnat(instants_of(data.items["left_at"]))
    if not here.any():
        left = bool(found.ids)
        return Missing(
            reason="All items of this channel left its source."
            if left
            else "The source lists no items of this channel."
        )
    counted = np.flatnonzero(here & ~np.isnan(found.views))
    if counted.size == 0:
        return Missing(reason="The source gives no views of single items.")
    compared = reach(found.age_days, found.views)
    by_views = counted[np.argsort(-found.views[counted], kind="stable")]
    total = float(found.views[counted].sum())
    top = by_views[:TOP]
    share = found.views[top].sum() / total if counted.size >= 2 * TOP and total > 0 else None
    score = np.where(here, compared.score, np.nan)
    return Items(
        listed=int(np.count_nonzero(here)),
        counted=int(counted.size),
        compared=int(np.count_nonzero(here & ~np.isnan(compared.ratio))),
        views=int(total),
        top_share=None if share is None else float(share),
        top=_ranked(found, compared, top),
        standouts=_ranked(found, compared, _beyond(score)),
        laggards=_ranked(found, compared, _beyond(-score)),
    )


def _beyond(score: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the scores above the limit, the highest first."""
    order = np.argsort(-np.nan_to_num(score), kind="stable")
    return order[np.nan_to_num(score[order]) > OUTLIER_SCORE][:OUTLIERS]


def _ranked(found: ItemArrays, compared: Reach, which: NDArray[np.intp]) -> list[RankedItem]:
    return [
        RankedItem(
            item_id=found.ids[i],
            title=found.titles[i],
            published_at=None if np.isnat(found.published_at[i]) else aware(found.published_at[i]),
            age_days=_float(found.age_days[i]),
            duration_s=_int(found.duration_s[i]),
            views=int(found.views[i]),
            likes=_int(found.likes[i]),
            comments=_int(found.comments[i]),
            typical_views=_float(compared.typical[i]),
            ratio=_float(compared.ratio[i]),
            score=_float(compared.score[i]),
            url=found.urls[i],
        )
        for i in which.tolist()
    ]


def _float(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _int(value: np.float64) -> int | None:
    return None if np.isnan(value) else int(value)
