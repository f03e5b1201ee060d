"""What people are told: by key. How it reaches them: see `deliveries`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from jobs.store.models import NotificationRow
from jobs.store.rows import StoredNotification

if TYPE_CHECKING:
    from sqlalchemy import Connection


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
