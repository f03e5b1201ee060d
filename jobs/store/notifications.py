"""What people are told: recorded once by key, marked when it has reached them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select, update

from jobs.store.errors import NotStoredError
from jobs.store.models import NotificationRow
from jobs.store.rows import StoredNotification
from jobs.store.types import UtcDateTime
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy import Connection


def record_notification(
    connection: Connection, key: str, channel_id: str, *, kind: str, title: str, body: str
) -> bool:
    """Record it unless its key is there; tell whether it was new."""
    done = connection.execute(
        insert(connection, NotificationRow)
        .values(
            key=key,
            channel_id=channel_id,
            kind=kind,
            title=title,
            body=body,
            recorded_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


def mark_notified(connection: Connection, key: str, delivered_at: datetime) -> None:
    """Note when it was delivered; the first time stands."""
    first = func.coalesce(NotificationRow.delivered_at, literal(delivered_at, UtcDateTime()))
    done = connection.execute(
        update(NotificationRow).where(NotificationRow.key == key).values(delivered_at=first)
    )
    if done.rowcount == 0:
        raise NotStoredError(f"notification {key}", "it is not in the store", "record it first")


def notification(connection: Connection, key: str) -> StoredNotification | None:
    """Give the notification of that key."""
    found = connection.execute(
        select(
            NotificationRow.key,
            NotificationRow.channel_id,
            NotificationRow.kind,
            NotificationRow.title,
            NotificationRow.body,
            NotificationRow.recorded_at,
            NotificationRow.delivered_at,
        ).where(NotificationRow.key == key)
    )
    row = found.one_or_none()
    return None if row is None else StoredNotification(*row)
