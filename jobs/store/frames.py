"""Load a channel's rows as data frames: whole columns, no object per row or time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl
from sqlalchemy import select

from jobs.channel_data import (
    DAILY,
    GAINS,
    ITEM_GAINS,
    ITEM_SNAPSHOTS,
    ITEMS,
    UTC_TIME,
    ChannelData,
)
from jobs.store.channels import channels
from jobs.store.errors import NotStoredError
from jobs.store.models import (
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)
from jobs.store.types import epoch_us

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.records import ChannelRecord
    from jobs.store.models import Base

_COUNTERS: Final = ("views", "likes", "comments")
_TOLD: Final = ("item_id", "title", "published_at", "duration_s", "category", "tags", "live")


def load(connection: Connection, channel_id: str) -> ChannelData:
    """Give all that is stored of the channel; order and types as `ChannelData` promises."""
    for channel in channels(connection, channel_id):
        return _load(connection, channel)
    raise NotStoredError(f"channel {channel_id}", "it is not in the store", "sync it first")


def _load(connection: Connection, channel: ChannelRecord) -> ChannelData:
    daily = _frame(connection, ChannelSnapshotRow, channel.id, DAILY)
    items = _frame(
        connection, ItemRow, channel.id, pl.Schema({name: ITEMS[name] for name in _TOLD})
    )
    snapshots = _frame(connection, ItemSnapshotRow, channel.id, ITEM_SNAPSHOTS)
    snapshots = snapshots.sort("item_id", "observed_at")
    gains = _frame(connection, ChannelGainRow, channel.id, GAINS)
    item_gains = _frame(connection, ItemGainRow, channel.id, ITEM_GAINS)
    return ChannelData(
        channel=channel,
        daily=daily.sort("observed_at"),
        items=items.join(_latest(snapshots), on="item_id", how="left")
        .select(ITEMS.names())
        .sort("published_at", "item_id", nulls_last=True),
        item_snapshots=snapshots,
        gains=gains.sort("day"),
        item_gains=item_gains.sort("item_id", "day"),
    )


def _frame(
    connection: Connection, model: type[Base], channel_id: str, schema: pl.Schema
) -> pl.DataFrame:
    table = model.__table__
    columns = [
        epoch_us(table.c[name]) if kind == UTC_TIME else table.c[name]
        for name, kind in schema.items()
    ]
    found = connection.execute(select(*columns).where(table.c.channel_id == channel_id))
    values: list[tuple[Any, ...]] = list(zip(*found.all(), strict=True)) or [()] * len(schema)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=pl.Int64() if kind == UTC_TIME else kind).cast(kind)
            for (name, kind), column in zip(schema.items(), values, strict=True)
        ]
    )


def _latest(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Each item's counters as last told, and when any was; *snapshots* are in order of time."""
    any_told = pl.any_horizontal(pl.col(_COUNTERS).is_not_null())
    return snapshots.group_by("item_id").agg(
        pl.col(_COUNTERS).drop_nulls().last(),
        pl.col("observed_at").filter(any_told).last(),
    )
