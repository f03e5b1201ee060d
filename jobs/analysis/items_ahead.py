"""What the items that are gathering views now will have gathered a day later."""

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
"""The oldest items that the forecast was tried on."""

FEWEST_GAINED = 100
"""Below this many views in a day, luck alone moves the next day's by more than the interval."""

LEVEL = 0.8
SHOWN = 10
_NEAR_DAYS = 0.25
_READ_LATELY = pl.duration(hours=12)


class ItemAhead(BaseModel):
    """
    One item's views a day after its last reading, an interval, and what it gained in the last day.

    *readings* is 3 where the day before that is known, too, so that its own decay counts; else 2.
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
    The *items* that should gain the most in the day after *as_of*, the most first.

    *followed* is how many could be forecast; *level* is that of the intervals.
    """

    as_of: datetime
    level: float
    followed: int
    items: list[ItemAhead]


def items_ahead(data: ChannelData) -> ItemsAhead | Missing:
    """
    Return what a day more brings to the items read on the last two days, or why nobody can tell.

    Items of `MOST_AGE_DAYS` days at most, which were read in the last half day of the data and a
    day before that (a quarter of a day more or less), and gained `FEWEST_GAINED` views since.
    See `item_forecast` for the formula.
    """
    missing = Missing(
        reason=f"What an item brings the next day needs readings of it on two days in a row, an "
        f"age of {MOST_AGE_DAYS} days at most, and {FEWEST_GAINED} views gained; there is none."
    )
    # Most lists are read once: they need no more than this look.
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
    """A row for each item: its last reading, and those a day and two days before it."""
    told = data.item_snapshots.lazy().drop_nulls("views")
    last_at = pl.col("observed_at").max().over("item_id")
    ago = (pl.col("last_at") - pl.col("observed_at")).dt.total_seconds() / 86_400
    born = data.current_items.lazy().select("item_id", "title", "published_at")
    age = (pl.col("last_at") - pl.col("published_at")).dt.total_seconds() / 86_400
    return (
        told.with_columns(last_at=last_at)
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
    """The views read nearest to *days* before the last reading, null where none was near."""
    off = (pl.col("ago") - days).abs()
    near = pl.col("views").filter(off <= _NEAR_DAYS)
    return near.sort_by(off.filter(off <= _NEAR_DAYS)).first()
