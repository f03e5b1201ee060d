"""What sources have about a channel: items as they are now, counters as history."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, func, select

from jobs.store.channels import save_channel
from jobs.store.listings import apply_listings
from jobs.store.models import (
    ChannelFiguresRow,
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemFiguresRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)
from jobs.store.rows import SyncCounts
from jobs.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from jobs.channel.records import ChannelReading

    Row = dict[str, Any]
    _Counted = (
        ItemRow
        | ChannelSnapshotRow
        | ItemSnapshotRow
        | ChannelGainRow
        | ItemGainRow
        | ChannelFiguresRow
        | ItemFiguresRow
    )


def save_readings(connection: Connection, readings: Sequence[ChannelReading]) -> SyncCounts:
    """
    Save *readings* of one channel; the last wins where they differ.

    Titles and the like become the latest given; what is not given stays as it was. Counters of
    another time are further snapshots, falling ones too.

    Raises:
        ValueError: The readings are of several channels, or there is none.
    """
    if len({reading.channel.id for reading in readings}) != 1:
        raise ValueError("readings of exactly one channel are saved at a time")
    for channel in dict.fromkeys(reading.channel for reading in readings):
        save_channel(connection, channel)
    channel_id = readings[0].channel.id
    given: dict[type[_Counted], list[Row]] = {
        ItemRow: _merge(_items(readings)),
        ChannelSnapshotRow: _merge(_channel_snapshots(readings)),
        ItemSnapshotRow: _merge(_item_snapshots(readings)),
        ChannelGainRow: _merge(_channel_gains(readings)),
        ItemGainRow: _merge(_item_gains(readings)),
        ChannelFiguresRow: _merge(_channel_figures(readings)),
        ItemFiguresRow: _merge(_item_figures(readings)),
    }
    # Saving the channel has locked it: nobody else adds to it between these counts.
    before = _count(connection, channel_id, given)
    for model, rows in given.items():
        upsert(connection, model, rows)
    after = _count(connection, channel_id, given)

    listings = [reading.listing for reading in readings if reading.listing is not None]
    items_left, items_back = apply_listings(connection, channel_id, listings)

    new = {model: after[model] - before[model] for model in after}
    items_new = new.pop(ItemRow, 0)
    snapshots_new = sum(new.values())
    snapshots = sum(len(rows) for model, rows in given.items() if model is not ItemRow)
    return SyncCounts(
        items_new=items_new,
        items_known=len(given[ItemRow]) - items_new,
        snapshots_new=snapshots_new,
        snapshots_known=snapshots - snapshots_new,
        items_left=items_left,
        items_back=items_back,
    )


def _merge(keyed: Iterable[tuple[Hashable, Row]]) -> list[Row]:
    """Merge rows of one key, the last value of each column winning, as `upsert` does."""
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
    """Whitespace within a tag becomes one space, so a line break always separates two tags."""
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


def _channel_figures(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        for one in reading.channel_figures:
            yield (one.first, one.last), {"channel_id": reading.channel.id, **asdict(one)}


def _item_figures(readings: Sequence[ChannelReading]) -> Iterable[tuple[Hashable, Row]]:
    for reading in readings:
        for one in reading.item_figures:
            key = (one.item_id, one.first, one.last)
            yield key, {"channel_id": reading.channel.id, **asdict(one)}


def _count(
    connection: Connection, channel_id: str, given: Mapping[type[_Counted], Sequence[Row]]
) -> dict[type[_Counted], int]:
    """Count the stored rows of each kind that is given."""
    return {
        model: connection.scalar(_counting(model), {"channel_id": channel_id}) or 0
        for model, rows in given.items()
        if rows
    }


@cache
def _counting(model: type[_Counted]) -> Select[int]:
    return (
        select(func.count())
        .select_from(model)
        .where(model.channel_id == bindparam("channel_id", type_=String()))
    )
