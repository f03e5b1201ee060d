"""Forecast the views of the currently growing items one day ahead."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
from pydantic import BaseModel, ConfigDict

from jobs.analysis.item_forecast import next_day_views
from jobs.analysis.section import Missing, Section

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData

MOST_AGE_DAYS = 30
"""The age of the oldest items on which the forecast was tested."""

FEWEST_GAINED = 100
"""With fewer views in a day, chance alone moves the next day's beyond the interval."""

LEVEL = 0.8
SHOWN = 10
_NEAR_DAYS = 0.25
_READ_LATELY = pl.duration(hours=12)


class ItemAhead(BaseModel):
    """
    One item's expected views a day after its last reading, an interval, and its last day's gain.

    *readings* is 3 if the day before is known too, so that the item's own decay counts; else 2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    title: str
    published_at: datetime
    age_days: float
    views: int
    gained: int
    readings: int
    expected: float
    low: float
    high: float


class ItemsAhead(Section):
    """
    The *items* that should gain the most in the day after *as_of*, the largest gain first.

    *followed* is how many items could be forecast; *level* is that of the intervals.
    """

    as_of: datetime
    level: float
    followed: int
    items: list[ItemAhead]


def items_ahead(data: ChannelData) -> ItemsAhead | Missing:
    """
    Forecast the next day of the items read on the last two days, or return why there are none.

    They are at most `MOST_AGE_DAYS` days old, were read in the last half day of the data and a day
    before that (give or take a quarter of a day), and gained `FEWEST_GAINED` views in between. See
    `item_forecast` for the formula.
    """
    missing = Missing(
        reason=f"What an item brings the next day needs readings of it on two days in a row, an "
        f"age of {MOST_AGE_DAYS} days at most, and {FEWEST_GAINED} views gained; there is none."
    )
    # Most lists were read only once: this check saves the rest of the work.
    if data.item_snapshots["item_id"].n_unique() == data.item_snapshots.height:
        return missing
    found = _read_daily(data)
    if found.is_empty():
        return missing
    views = found.select("before", "yesterday", "views").cast(pl.Float64).to_numpy()
    expected, low, high = next_day_views(found["age"].to_numpy(), views)
    forecast = found.with_columns(
        pl.Series("expected", expected), pl.Series("low", low), pl.Series("high", high)
    ).sort(pl.col("expected") - pl.col("views"), "item_id", descending=[True, False])
    as_of: datetime = max(forecast["last_at"].to_list())
    return ItemsAhead(
        as_of=as_of,
        level=LEVEL,
        followed=forecast.height,
        items=[
            ItemAhead(
                item_id=row["item_id"],
                title=row["title"],
                published_at=row["published_at"],
                age_days=row["age"],
                views=row["views"],
                gained=row["views"] - row["yesterday"],
                readings=2 if row["before"] is None else 3,
                expected=row["expected"],
                low=row["low"],
                high=row["high"],
            )
            for row in forecast.head(SHOWN).iter_rows(named=True)
        ],
    )


def _read_daily(data: ChannelData) -> pl.DataFrame:
    """Return a row per item: its last reading, and those one and two days before it."""
    snapshots = data.item_snapshots.lazy().drop_nulls("views")
    last_at = pl.col("observed_at").max().over("item_id")
    ago = (pl.col("last_at") - pl.col("observed_at")).dt.total_seconds() / 86_400
    born = data.current_items.lazy().select("item_id", "title", "published_at")
    age = (pl.col("last_at") - pl.col("published_at")).dt.total_seconds() / 86_400
    return (
        snapshots.with_columns(last_at=last_at)
        .filter(pl.col("last_at") > pl.col("observed_at").max() - _READ_LATELY)
        .with_columns(ago=ago)
        .group_by("item_id")
        .agg(
            pl.col("last_at").first(),
            pl.col("views").last(),
            _nearest(1).alias("yesterday"),
            _nearest(2).alias("before"),
        )
        .join(born.drop_nulls("published_at"), on="item_id")
        .with_columns(age=age)
        .filter(
            pl.col("age").is_between(0, MOST_AGE_DAYS, closed="right"),
            pl.col("views") - pl.col("yesterday") >= FEWEST_GAINED,
        )
        .collect()
    )


def _nearest(days: int) -> pl.Expr:
    """Return the views read nearest to *days* before the last reading, null if none was near."""
    off = (pl.col("ago") - days).abs()
    near = pl.col("views").filter(off <= _NEAR_DAYS)
    return near.sort_by(off.filter(off <= _NEAR_DAYS)).first()
