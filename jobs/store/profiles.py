"""What channels' content is like, packed small, and which channels were found to be near."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, exists, select, update

from jobs.store.models import ChannelRow, ProfileRow
from jobs.store.rows import StoredProfile
from jobs.store.upsert import insert_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Executable


def save_profile(connection: Connection, channel_id: str, fingerprint: str, packed: bytes) -> None:
    """Save it unless it is there as it is; what it was compared with before stays until anew."""
    row = {"channel_id": channel_id, "fingerprint": fingerprint, "profile": packed}
    connection.execute(_saving(connection.dialect.name), row)


def profiles_changed(connection: Connection) -> bool:
    """Say whether any profile is new or other than when channels were compared."""
    changed = exists().where(ProfileRow.compared_at.is_(None))
    return bool(connection.scalar(select(changed)))


def profiles(connection: Connection) -> list[StoredProfile]:
    """Give all profiles, by channel; as large as all of them together."""
    found = connection.execute(
        select(ProfileRow.channel_id, ChannelRow.title, ProfileRow.profile).join(
            ChannelRow, ChannelRow.id == ProfileRow.channel_id
        )
    )
    # Not by the database, whose order of texts depends on its locale.
    return sorted((StoredProfile(*row) for row in found), key=lambda one: one.channel_id)


def save_similar(connection: Connection, similar: Mapping[str, Mapping[str, Any]]) -> None:
    """Note for each channel what it is like; one whose profile is gone is passed over."""
    if similar:
        connection.execute(
            update(ProfileRow)
            .where(ProfileRow.channel_id == bindparam("of"))
            .values(similar=bindparam("found"), compared_at=bindparam("at")),
            [
                {"of": channel_id, "found": dict(found), "at": datetime.now(UTC)}
                for channel_id, found in similar.items()
            ],
        )


def similar(connection: Connection, channel_id: str) -> dict[str, Any] | None:
    """Give what the channel was found to be like, or None before the first comparison."""
    return connection.scalar(_SIMILAR, {"of": channel_id})


# Statements are put together once: that takes longer than to run them.
_SIMILAR = select(ProfileRow.similar).where(
    ProfileRow.channel_id == bindparam("of", type_=String())
)


@cache
def _saving(dialect: str) -> Executable:
    statement = insert_in(dialect, ProfileRow)
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(ProfileRow.__table__.primary_key),
        set_={"fingerprint": told.fingerprint, "profile": told.profile, "compared_at": None},
        where=ProfileRow.fingerprint != told.fingerprint,
    )
