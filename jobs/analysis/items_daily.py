"""Items whose views are known day by day: their last week, and the change from the week before."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from jobs.analysis.daily_gains import item_gains
from jobs.analysis.growth import WEEK, WeekChange, week_change
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from jobs.analysis.daily_gains import DailyGains
    from jobs.channel.data import ChannelData

SHOWN = 4
_FEWEST = 2 * WEEK
_FEWEST_VIEWS = 50
_LATELY_DAYS = 3


class DailyItem(BaseModel):
    """
    An item whose views are known on *days* days from *first_day* to *last_day*.

    *last_week* is the sum over the known days of the last 7, *week* its change from the 7 before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    title: str
    published_at: datetime | None
    first_day: date
    last_day: date
    days: int
    last_week: int
    week: Annotated[WeekChange | Missing, Field(discriminator="present")]


class ItemsDaily(Section):
    """The up to `SHOWN` *items* with the most views in their last week, out of *followed*."""

    followed: int
    items: list[DailyItem]


NOT_FOLLOWED = Missing(
    reason="The program that made this analysis did not follow single items: sync the channel anew."
)
_NONE = Missing(
    reason=f"To follow single items from week to week, {_FEWEST} days of views of one, and "
    f"{_FEWEST_VIEWS} views in its last week, are needed."
)


def items_daily(data: ChannelData) -> ItemsDaily | Missing:
    """
    Return the items with the most views lately among those with `_FEWEST` known days.

    Daily views come from the owner's export, or else from readings on neighbouring days. Items not
    read in the last `_LATELY_DAYS` days of the data, or with fewer than `_FEWEST_VIEWS` views in
    their last week, are left out. If none remain, the result says why.
    """
    chosen, followed = _most_now(data)
    if not chosen:
        return _NONE
    titles = {
        item: (title, published_at)
        for item, title, published_at in data.current_items.select(
            "item_id", "title", "published_at"
        )
        .filter(pl.col("item_id").is_in(chosen))
        .iter_rows()
    }
    found = [
        _item(item, *titles[item], gains)
        for item in chosen
        if (gains := item_gains(data, item)).known.size >= _FEWEST
    ]
    return ItemsDaily(followed=followed, items=found) if found else _NONE


def _most_now(data: ChannelData) -> tuple[list[str], int]:
    """Return the items with the most views in their last week, and the number of candidates."""
    snapshots, is_exported = data.item_snapshots, not data.item_gains.is_empty()
    # Most lists were read only once: this check saves the rest of the work.
    if not is_exported and snapshots["item_id"].n_unique() == snapshots.height:
        return [], 0
    week = pl.duration(days=WEEK)
    if is_exported:
        at, in_week = pl.col("day"), pl.col("day") > pl.col("day").max() - week
        gained, known = pl.col("views").filter(in_week).sum(), at.n_unique()
        read = data.item_gains
    else:
        at, before = pl.col("observed_at"), pl.col("observed_at").max() - week
        gained = (
            pl.col("views").last() - pl.col("views").filter(pl.col("observed_at") <= before).last()
        )
        known = (at.dt.date().diff().dt.total_days() == 1).sum()
        read = snapshots
    followed = (
        read.lazy()
        .drop_nulls("views")
        .group_by("item_id")
        .agg(gained.alias("gained"), at.max().alias("last"), known.alias("days"))
        .filter(
            pl.col("days") >= _FEWEST,
            pl.col("last") > pl.col("last").max() - pl.duration(days=_LATELY_DAYS),
            # With fewer views, single viewers make the difference.
            pl.col("gained") >= _FEWEST_VIEWS,
        )
        .join(data.current_items.lazy().select("item_id"), on="item_id", how="semi")
        .sort("gained", "item_id", descending=[True, False])
        .collect()
    )
    return followed["item_id"].head(SHOWN).to_list(), followed.height


def _item(item_id: str, title: str, published_at: datetime | None, gains: DailyGains) -> DailyItem:
    return DailyItem(
        item_id=item_id,
        title=title,
        published_at=published_at,
        first_day=gains.days[0].item(),
        last_day=gains.days[-1].item(),
        days=int(gains.known.size),
        last_week=int(np.nansum(gains.gains[-WEEK:])),
        week=week_change(gains),
    )
