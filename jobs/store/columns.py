"""Load a channel's rows as columns, without an object for each row or time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, select

from jobs.channel.columns import (
    DAILY,
    FIGURES,
    GAINS,
    ITEM_FIGURES,
    ITEM_GAINS,
    ITEM_SNAPSHOTS,
    ITEMS,
    ChannelColumns,
)
from jobs.channel.scope import Scope
from jobs.store.channels import find
from jobs.store.errors import NotStoredError
from jobs.store.models import (
    ChannelFiguresRow,
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemFiguresRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
    SourceSyncRow,
)
from jobs.store.platform_days import platform_days
from jobs.store.types import UtcDateTime, epoch_us

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy import Connection, Select

    from jobs.channel.columns import Columns
    from jobs.channel.platform_day import PlatformDay
    from jobs.channel.records import Platform
    from jobs.store.models import Base


def load(
    connection: Connection, channel_id: str, *, only_with_items: bool = False
) -> ChannelColumns:
    """
    Return all that is known of the channel as plain columns, for a process that computes.

    only_with_items: return nothing but its record if it has no items.

    Raises:
        NotStoredError: There is no such channel.
    """
    found = find(connection, channel_id)
    if found is None:
        raise NotStoredError(f"channel {channel_id}", "it is not in the store", "sync it first")

    def read(model: type[Base], names: tuple[str, ...]) -> Columns:
        rows = connection.execute(_reading(model, names), {"channel_id": channel_id}).all()
        return tuple(zip(*rows, strict=True))

    items = read(ItemRow, ITEMS)
    of_channel = items or not only_with_items
    daily = read(ChannelSnapshotRow, DAILY) if of_channel else ()
    gains = read(ChannelGainRow, GAINS) if of_channel else ()
    return ChannelColumns(
        channel=found,
        daily=daily,
        items=items,
        # Rows of items refer to them by a foreign key: without items there are none.
        item_snapshots=read(ItemSnapshotRow, ITEM_SNAPSHOTS) if items else (),
        gains=gains,
        item_gains=read(ItemGainRow, ITEM_GAINS) if items else (),
        figures=read(ChannelFiguresRow, FIGURES) if of_channel else (),
        item_figures=read(ItemFiguresRow, ITEM_FIGURES) if items else (),
        scopes=_scopes(connection, channel_id) if of_channel else (),
        # An owner's gains are complete: no counter was late.
        platform_days=() if gains else _platform_days(connection, found.platform, daily),
    )


def _platform_days(
    connection: Connection, platform: Platform, daily: Columns
) -> Sequence[PlatformDay]:
    """Return the platform's own days between the channel's readings."""
    if not daily or len(daily[0]) <= 1:
        return ()
    first, last = (_day_of(daily[0][place]) for place in (0, -1))
    return platform_days(connection, platform, first, last)


def _day_of(instant_us: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)).date()


def _scopes(connection: Connection, channel_id: str) -> list[Scope]:
    found = connection.scalars(_SCOPES, {"channel_id": channel_id})
    return [Scope.from_json(document) for document in found if document]


_SCOPES = (
    select(SourceSyncRow.scope)
    .where(SourceSyncRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(SourceSyncRow.kind, SourceSyncRow.location)
)


@cache
def _reading(model: type[Base], names: tuple[str, ...]) -> Select[Any]:
    """Select a channel's rows; its own counters, gains and figures by time, as their key."""
    table = model.__table__
    columns = [
        epoch_us(table.c[name]) if isinstance(table.c[name].type, UtcDateTime) else table.c[name]
        for name in names
    ]
    query = select(*columns).where(table.c.channel_id == bindparam("channel_id", type_=String()))
    by_time = model in {ChannelSnapshotRow, ChannelGainRow, ChannelFiguresRow}
    return query.order_by(*table.primary_key) if by_time else query
