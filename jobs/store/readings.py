"""Save what sources say of a channel: items as they are told now, counters as history."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from jobs.store.channels import save_channel
from jobs.store.listings import apply_listings
from jobs.store.models import (
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)
from jobs.store.rows import SyncCounts
from jobs.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from sqlalchemy import Connection

    from jobs.records import ChannelReading

    Row = dict[str, Any]


def save_readings(connection: Connection, readings: Sequence[ChannelReading]) -> SyncCounts:
    """Save *readings* of one channel, the last winning where they differ."""
    for reading in readings:
        save_channel(connection, reading.channel)
    channel_id = readings[0].channel.id
    items = _merge(_items(readings))
    channel_snapshots = _merge(_channel_snapshots(readings))
    item_snapshots = _merge(_item_snapshots(readings))
    channel_gains = _merge(_channel_gains(readings))
    item_gains = _merge(_item_gains(readings))

    # Saving the channel has locked it: between these counts nobody else adds to it.
    items_before, snapshots_before = _count(connection, channel_id)
    upsert(connection, ItemRow, items)
    upsert(connection, ChannelSnapshotRow, channel_snapshots)
    upsert(connection, ItemSnapshotRow, item_snapshots)
    upsert(connection, ChannelGainRow, channel_gains)
    upsert(connection, ItemGainRow, item_gains)
    items_after, snapshots_after = _count(connection, channel_id)

    listings = [reading.listing for reading in readings if reading.listing is not None]
    items_left, items_back = apply_listings(connection, channel_id, listings)

    items_new = items_after - items_before
    snapshots_new = snapshots_after - snapshots_before
    snapshots = sum(map(len, (channel_snapshots, item_snapshots, channel_gains, item_gains)))
    return SyncCounts(
        items_new=items_new,
        items_known=len(items) - items_new,
        snapshots_new=snapshots_new,
        snapshots_known=snapshots - snapshots_new,
        items_left=items_left,
        items_back=items_back,
    )


def _merge(keyed: Iterable[tuple[Hashable, Row]]) -> list[Row]:
    """One row per key, of each column the last value that is told: as `upsert` does it."""
    merged: dict[Hashable, Row] = {}
    for key, row in keyed:
        known = merged.setdefault(key, row)
        if known is not row:
            known.update((name, value) for name, value in row.items() if value not in {None, ""})
    return list(merged.values())


def _items(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        channel_id = reading.channel.id
        for item in reading.items:
            yield (
                item.id,
                {
                    "channel_id": channel_id,
                    "item_id": item.id,
                    "title": item.title,
                    "published_at": item.published_at,
                    "duration_s": item.duration_s,
                    "url": item.url or None,
                    "category": item.category or None,
                    "tags": _lines(item.tags),
                    "live": item.live,
                },
            )


def _lines(tags: Sequence[str]) -> str | None:
    """Whitespace within a tag becomes one space, so that a line break only ever parts two."""
    return "\n".join(filter(None, (" ".join(tag.split()) for tag in tags))) or None


def _channel_snapshots(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        channel_id = reading.channel.id
        for snapshot in reading.channel_snapshots:
            yield (
                snapshot.observed_at,
                {
                    "channel_id": channel_id,
                    "observed_at": snapshot.observed_at,
                    "subscribers": snapshot.subscribers,
                    "views": snapshot.views,
                    "items": snapshot.items,
                },
            )


def _item_snapshots(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        channel_id = reading.channel.id
        for snapshot in reading.item_snapshots:
            yield (
                (snapshot.item_id, snapshot.observed_at),
                {
                    "channel_id": channel_id,
                    "item_id": snapshot.item_id,
                    "observed_at": snapshot.observed_at,
                    "views": snapshot.views,
                    "likes": snapshot.likes,
                    "comments": snapshot.comments,
                },
            )


def _channel_gains(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        for gain in reading.channel_gains:
            yield gain.day, {"channel_id": reading.channel.id, **asdict(gain)}


def _item_gains(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        for gain in reading.item_gains:
            yield (gain.item_id, gain.day), {"channel_id": reading.channel.id, **asdict(gain)}


def _count(connection: Connection, channel_id: str) -> tuple[int, int]:
    counts = [
        select(func.count()).select_from(model).where(model.channel_id == channel_id)
        for model in (ItemRow, ChannelSnapshotRow, ItemSnapshotRow, ChannelGainRow, ItemGainRow)
    ]
    found = connection.execute(select(*(count.scalar_subquery() for count in counts)))
    items, *snapshots = found.one()
    return items, sum(snapshots)
