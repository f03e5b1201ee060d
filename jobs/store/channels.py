"""The channels that the store knows, and where their data comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from jobs.records import ChannelRecord, Platform, SourceRef
from jobs.store.models import ChannelRow, SourceRow
from jobs.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


def save_channel(connection: Connection, channel: ChannelRecord) -> None:
    """Save *channel*; until the transaction ends nobody else writes to it."""
    upsert(connection, ChannelRow, [asdict(channel)])


def register(connection: Connection, channel: ChannelRecord, sources: Sequence[SourceRef]) -> None:
    """Save *channel*, and add those of *sources* that are new after those that are known."""
    save_channel(connection, channel)
    known = sources_of(connection, channel.id)
    new = [source for source in dict.fromkeys(sources) if source not in known]
    if new:
        connection.execute(
            insert(SourceRow),
            [
                {"channel_id": channel.id, "position": position, **asdict(source)}
                for position, source in enumerate(new, start=len(known))
            ],
        )


def sources_of(connection: Connection, channel_id: str) -> list[SourceRef]:
    """Give the sources of a channel in the order of their registration."""
    found = connection.execute(
        select(SourceRow.kind, SourceRow.location)
        .where(SourceRow.channel_id == channel_id)
        .order_by(SourceRow.position)
    )
    return [SourceRef(kind, location) for kind, location in found]


def channels(connection: Connection, channel_id: str | None = None) -> list[ChannelRecord]:
    """Give all channels by id, or the one of *channel_id*."""
    query = select(
        ChannelRow.id, ChannelRow.title, ChannelRow.platform, ChannelRow.url, ChannelRow.generated
    )
    if channel_id is not None:
        query = query.where(ChannelRow.id == channel_id)
    found = [
        ChannelRecord(key, title, Platform(platform), url, generated)
        for key, title, platform, url, generated in connection.execute(query)
    ]
    # Not by the database, whose order of texts depends on its locale.
    return sorted(found, key=lambda channel: channel.id)
