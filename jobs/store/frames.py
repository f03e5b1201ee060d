"""Load a channel's rows as data frames: whole columns, no object per row or time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from sqlalchemy import String, bindparam, select

from jobs.channel_data import (
    DAILY,
    GAINS,
    ITEM_GAINS,
    ITEM_SNAPSHOTS,
    ITEMS,
    UTC_TIME,
    ChannelData,
)
from jobs.store.channels import channel
from jobs.store.errors import NotStoredError
from jobs.store.models import (
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)
from jobs.store.types import UtcDateTime, epoch_us

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from jobs.store.models import Base

_COUNTERS: Final = ("views", "likes", "comments")
_TOLD: Final = pl.Schema(
    {
        name: kind
        for name, kind in ITEMS.items()
        if name in {column.name for column in ItemRow.__table__.columns}
    }
)


def load(connection: Connection, channel_id: str) -> ChannelData:
    """Give all that is stored of the channel; order and types as `ChannelData` promises."""
    found = channel(connection, channel_id)
    if found is None:
        raise NotStoredError(f"channel {channel_id}", "it is not in the store", "sync it first")
    items = _frame(connection, ItemRow, channel_id, _TOLD)
    snapshots = _by_item(_frame(connection, ItemSnapshotRow, channel_id, ITEM_SNAPSHOTS))
    return ChannelData(
        channel=found,
        daily=_frame(connection, ChannelSnapshotRow, channel_id, DAILY),
        items=pl.DataFrame(schema=ITEMS) if items.is_empty() else _with_counters(items, snapshots),
        item_snapshots=snapshots,
        gains=_frame(connection, ChannelGainRow, channel_id, GAINS),
        item_gains=_by_item(_frame(connection, ItemGainRow, channel_id, ITEM_GAINS)),
    )


def _by_item(frame: pl.DataFrame) -> pl.DataFrame:
    """Not by the database, whose order of texts depends on its locale."""
    return frame if frame.is_empty() else frame.sort(frame.columns[:2])


def _with_counters(items: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    return (
        items.join(_latest(snapshots), on="item_id", how="left")
        .select(ITEMS.names())
        .sort("published_at", "item_id", nulls_last=True)
    )


def _frame(
    connection: Connection, model: type[Base], channel_id: str, schema: pl.Schema
) -> pl.DataFrame:
    found = connection.execute(_reading(model, tuple(schema)), {"channel_id": channel_id}).all()
    if not found:
        return pl.DataFrame(schema=schema)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=pl.Int64() if kind == UTC_TIME else kind).cast(kind)
            for (name, kind), column in zip(schema.items(), zip(*found, strict=True), strict=True)
        ]
    )


@cache
def _reading(model: type[Base], names: tuple[str, ...]) -> Select[Any]:
    """A channel's rows; its own counters and gains by time, which is the order of their key."""
    table = model.__table__
    columns = [
        epoch_us(table.c[name]) if isinstance(table.c[name].type, UtcDateTime) else table.c[name]
        for name in names
    ]
    query = select(*columns).where(table.c.channel_id == bindparam("channel_id", type_=String()))
    by_time = model in {ChannelSnapshotRow, ChannelGainRow}
    return query.order_by(*table.primary_key) if by_time else query


def _latest(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Each item's counters as last told, and when any was; *snapshots* are in order of time."""
    any_told = pl.any_horizontal(pl.col(_COUNTERS).is_not_null())
    return snapshots.group_by("item_id").agg(
        pl.col(_COUNTERS).drop_nulls().last(),
        pl.col("observed_at").filter(any_told).last(),
    )
