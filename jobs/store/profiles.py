"""What channels' content is like, packed small, and which channels are similar."""

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
    """Save the profile unless it is stored already; a comparison stays until the next one."""
    row = {"channel_id": channel_id, "fingerprint": fingerprint, "profile": packed}
    connection.execute(_saving(connection.dialect.name), row)


def profiles_changed(connection: Connection) -> bool:
    """Return whether a profile was saved that `save_similar` has not seen."""
    changed = exists().where(ProfileRow.compared_at.is_(None))
    return bool(connection.scalar(select(changed)))


def all_profiles(connection: Connection) -> list[StoredProfile]:
    """Return the profiles of all channels, by channel: a few kilobytes each."""
    found = connection.execute(
        select(ProfileRow.channel_id, ChannelRow.title, ProfileRow.profile).join(
            ChannelRow, ChannelRow.id == ProfileRow.channel_id
        )
    )
    # Not sorted by the database: its order of texts depends on its locale.
    return sorted((StoredProfile(*row) for row in found), key=lambda one: one.channel_id)


def save_similar(connection: Connection, similar: Mapping[str, Mapping[str, Any]]) -> None:
    """Record which others each channel is like, in place of what was recorded before."""
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
    """Return what `save_similar` recorded last for the channel, or None."""
    return connection.scalar(_SIMILAR, {"of": channel_id})


# Statements are built once: building takes longer than running them.
_SIMILAR = select(ProfileRow.similar).where(
    ProfileRow.channel_id == bindparam("of", type_=String())
)


@cache
def _saving(dialect: str) -> Executable:
    statement = insert_in(dialect, ProfileRow)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(ProfileRow.__table__.primary_key),
        set_={"fingerprint": new.fingerprint, "profile": new.profile, "compared_at": None},
        where=ProfileRow.fingerprint != new.fingerprint,
    )
