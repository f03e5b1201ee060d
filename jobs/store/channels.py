"""The channels that the store knows, and where their data comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import String, bindparam, insert, or_, select, true

from jobs.records import ChannelRecord, Platform, SourceRef
from jobs.store.models import ChannelRow, SourceRow
from jobs.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection


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


def register_all(
    connection: Connection,
    channels_with_sources: Sequence[tuple[ChannelRecord, Sequence[SourceRef]]],
) -> None:
    """Register each channel with its sources."""
    for one, sources in channels_with_sources:
        register(connection, one, sources)


def sources_of(connection: Connection, channel_id: str) -> list[SourceRef]:
    """Give the sources of a channel in the order of their registration."""
    found = connection.execute(_SOURCES_OF, {"channel_id": channel_id})
    return [SourceRef(kind, location) for kind, location in found]


def channels(connection: Connection) -> list[ChannelRecord]:
    """Give all channels by id."""
    found = [record(*row) for row in connection.execute(CHANNELS)]
    # Not by the database, whose order of texts depends on its locale.
    return sorted(found, key=lambda channel: channel.id)


def matching(text: str) -> ColumnElement[bool]:
    """Say of which channels title or id have *text* in them; an empty one is in all."""
    if not text:
        return true()
    return or_(
        ChannelRow.title.icontains(text, autoescape=True),
        ChannelRow.id.icontains(text, autoescape=True),
    )


def channel(connection: Connection, channel_id: str) -> ChannelRecord | None:
    """Give the channel of that id."""
    found = connection.execute(_CHANNEL, {"channel_id": channel_id}).one_or_none()
    return None if found is None else record(*found)


CHANNELS = select(
    ChannelRow.id, ChannelRow.title, ChannelRow.platform, ChannelRow.url, ChannelRow.generated
)
_CHANNEL = CHANNELS.where(ChannelRow.id == bindparam("channel_id", type_=String()))
_SOURCES_OF = (
    select(SourceRow.kind, SourceRow.location)
    .where(SourceRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(SourceRow.position)
)


def record(key: str, title: str, platform: str, url: str | None, generated: bool) -> ChannelRecord:  # noqa: FBT001 -- a row
    """Make the record of a row of `CHANNELS`."""
    return ChannelRecord(key, title, Platform(platform), url, generated)
