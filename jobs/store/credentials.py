"""Move secrets out of addresses that were stored before they were known to hold any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, text, update

from jobs.channel.addresses import without_secrets
from jobs.store.models import (
    DeliveryRow,
    NotificationRow,
    SourceCredentialRow,
    SourceRow,
    SourceSyncRow,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

_MAY_NAME_ADDRESSES = (
    (SourceSyncRow, "reason"),
    (NotificationRow, "title"),
    (NotificationRow, "body"),
    (DeliveryRow, "error"),
)


def part_secrets(connection: Connection) -> None:
    """
    Keep the secrets of all sources' addresses apart from the addresses.

    A source keeps its place and how reading it went last. Of two addresses that differ by their
    secrets alone, which are one source, the one that was registered last stays.
    """
    found = connection.execute(_MAY_HOLD_SECRETS).all()
    whole = [row for row in found if without_secrets(row.location) != row.location]
    if not whole:
        return
    if connection.dialect.name == "sqlite":
        # Else the old text stays in the file until its page is used again.
        connection.execute(text("PRAGMA secure_delete = ON"))
    for row in sorted(whole, key=lambda one: one.position, reverse=True):
        _part(connection, row, without_secrets(row.location))


def _part(connection: Connection, row: Any, bare: str) -> None:
    old = {"channel_id": row.channel_id, "kind": row.kind, "location": row.location}
    new = old | {"location": bare}
    known = connection.scalar(select(SourceRow.position).where(*_is(SourceRow, new)))
    if known is None:
        connection.execute(insert(SourceRow).values(**new, position=row.position))
        # Of some addresses a password was moved before.
        address = connection.scalar(
            select(SourceCredentialRow.address).where(*_is(SourceCredentialRow, old))
        )
        credential = insert(SourceCredentialRow).values(**new, address=address or row.location)
        connection.execute(credential)
    elif known > row.position:
        connection.execute(
            update(SourceRow).where(*_is(SourceRow, new)).values(position=row.position)
        )
    if connection.scalar(select(SourceSyncRow.kind).where(*_is(SourceSyncRow, new))) is None:
        moved = update(SourceSyncRow).where(*_is(SourceSyncRow, old))
        connection.execute(moved.values(location=bare))
    connection.execute(delete(SourceRow).where(*_is(SourceRow, old)))
    for table, name in _MAY_NAME_ADDRESSES:
        column = table.__table__.c[name]
        named = update(table).where(column.contains(row.location, autoescape=True))
        connection.execute(named.values({name: func.replace(column, row.location, bare)}))


def _is(table: type[Any], key: dict[str, str]) -> list[ColumnElement[bool]]:
    return [getattr(table, name) == value for name, value in key.items()]


_MAY_HOLD_SECRETS = select(
    SourceRow.channel_id, SourceRow.kind, SourceRow.location, SourceRow.position
).where(
    SourceRow.location.contains("://"),
    or_(SourceRow.location.contains("@"), SourceRow.location.contains("=")),
)
