"""The channels that the store knows, and where their data comes from."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, insert, or_, select, true, update

from jobs.channel.addresses import without_secrets
from jobs.channel.records import ChannelRecord, Platform, SourceRef
from jobs.store.chunks import chunks
from jobs.store.errors import NotStoredError
from jobs.store.models import ChannelRow, SourceCredentialRow, SourceRow
from jobs.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection


def save_channel(connection: Connection, channel: ChannelRecord) -> None:
    """Save *channel*, and lock it until the transaction ends."""
    upsert(connection, ChannelRow, [asdict(channel)])


def register(connection: Connection, channel: ChannelRecord, sources: Sequence[SourceRef]) -> None:
    """Save *channel*, and add to its sources those of *sources* that are new."""
    register_all(connection, [(channel, sources)])


def register_all(
    connection: Connection,
    channels_with_sources: Sequence[tuple[ChannelRecord, Sequence[SourceRef]]],
) -> None:
    """Do what `register` does for each channel, by a few statements however many there are."""
    upsert(connection, ChannelRow, [asdict(channel) for channel, _ in channels_with_sources])
    known: dict[str, list[SourceRef]] = {channel.id: [] for channel, _ in channels_with_sources}
    for chunk in chunks(list(known)):
        for channel_id, kind, location in connection.execute(_SOURCES_OF_MANY, {"ids": chunk}):
            known[channel_id].append(SourceRef(kind, location))
    new = []
    secret = []
    for one, sources in channels_with_sources:
        of_channel = known[one.id]
        for source in sources:
            bare = replace(source, location=without_secrets(source.location))
            key = {"channel_id": one.id, **asdict(bare)}
            if bare not in of_channel:
                new.append({"position": len(of_channel), **key})
                of_channel.append(bare)
            if bare != source:
                secret.append({"address": source.location, **key})
    if new:
        connection.execute(insert(SourceRow), new)
    upsert(connection, SourceCredentialRow, secret)


def rename(connection: Connection, channel_id: str, title: str) -> None:
    """
    Call the channel *title* from now on, whatever its sources call it.

    Raises:
        NotStoredError: There is no such channel.
    """
    _change(connection, channel_id, title=title, named=True)


def set_time_zone(connection: Connection, channel_id: str, time_zone: str | None) -> None:
    """
    Tell of the channel's publications by the clock of *time_zone* from now on; None for UTC.

    Raises:
        NotStoredError: There is no such channel.
    """
    _change(connection, channel_id, time_zone=time_zone)


def _change(connection: Connection, channel_id: str, **values: object) -> None:
    statement = update(ChannelRow).where(ChannelRow.id == channel_id)
    if not connection.execute(statement.values(values)).rowcount:
        raise NotStoredError(f"channel {channel_id}", "it is not in the store", "add it first")


def owners_of(connection: Connection, sources: Sequence[SourceRef]) -> dict[SourceRef, str]:
    """Return whose each of *sources* is, as registered; one of several channels is left out."""
    bare = {replace(each, location=without_secrets(each.location)): each for each in sources}
    owners: dict[SourceRef, list[str]] = {}
    for chunk in chunks([each.location for each in bare]):
        for channel_id, kind, location in connection.execute(_OWNERS, {"locations": chunk}):
            if (found := bare.get(SourceRef(kind, location))) is not None:
                owners.setdefault(found, []).append(channel_id)
    return {source: found[0] for source, found in owners.items() if len(found) == 1}


def sources_of(connection: Connection, channel_id: str) -> list[SourceRef]:
    """Return the channel's sources, without secrets, in the order of their registration."""
    found = connection.execute(_SOURCES_OF, {"channel_id": channel_id})
    return [SourceRef(kind, location) for kind, location in found]


def all_channels(connection: Connection) -> list[ChannelRecord]:
    """Return all channels, by id."""
    found = [record(*row) for row in connection.execute(CHANNELS)]
    # Not sorted by the database: its order of texts depends on its locale.
    return sorted(found, key=lambda channel: channel.id)


def matching(text: str) -> ColumnElement[bool]:
    """Return the condition that title or id contains *text*; an empty text matches all."""
    if not text:
        return true()
    return or_(
        ChannelRow.title.icontains(text, autoescape=True),
        ChannelRow.id.icontains(text, autoescape=True),
    )


def find(connection: Connection, channel_id: str) -> ChannelRecord | None:
    """Return the channel, or None."""
    found = connection.execute(_CHANNEL, {"channel_id": channel_id}).one_or_none()
    return None if found is None else record(*found)


CHANNELS = select(
    ChannelRow.id,
    ChannelRow.title,
    ChannelRow.platform,
    ChannelRow.url,
    ChannelRow.generated,
    ChannelRow.successes_only,
    ChannelRow.time_zone,
)
_CHANNEL = CHANNELS.where(ChannelRow.id == bindparam("channel_id", type_=String()))
_SOURCES_OF = (
    select(SourceRow.kind, SourceRow.location)
    .where(SourceRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(SourceRow.position)
)
_OWNERS = select(SourceRow.channel_id, SourceRow.kind, SourceRow.location).where(
    SourceRow.location.in_(bindparam("locations", expanding=True, type_=String()))
)
_SOURCES_OF_MANY = (
    select(SourceRow.channel_id, SourceRow.kind, SourceRow.location)
    .where(SourceRow.channel_id.in_(bindparam("ids", expanding=True, type_=String())))
    .order_by(SourceRow.channel_id, SourceRow.position)
)


def record(key: str, title: str, platform: str, *rest: Any) -> ChannelRecord:
    """Make the record of a row of `CHANNELS`."""
    return ChannelRecord(key, title, Platform(platform), *rest)
