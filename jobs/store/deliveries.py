"""
Notifications on their way to their targets, each at most once.

A delivery is claimed, and the claim committed, before anything is sent; its outcome is committed
afterwards. Nobody can know what arrived of a claim without an outcome, so nothing is sent again.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal, select, text, update

from jobs.store.models import DeliveryRow, NotificationRow
from jobs.store.rows import Delivery, DeliveryState, StoredNotification
from jobs.store.types import UtcDateTime
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Select


_HOUR = timedelta(hours=1)
_BEGUN = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCONFIRMED)

_COLUMNS = (
    DeliveryRow.key,
    DeliveryRow.target,
    NotificationRow.channel_id,
    NotificationRow.kind,
    NotificationRow.title,
    NotificationRow.body,
    NotificationRow.recorded_at,
    DeliveryRow.state,
    DeliveryRow.due_at,
    DeliveryRow.attempts,
    DeliveryRow.error,
)


def notification(connection: Connection, key: str) -> StoredNotification | None:
    """Return the notification, or None."""
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


def post(
    connection: Connection, notification: StoredNotification, due_at: Mapping[str, datetime]
) -> bool:
    """
    Record *notification*, due at each target of *due_at* from its time on.

    Once for its key, for ever: if it was recorded before, this returns False and changes nothing.
    """
    new = connection.execute(
        insert(connection, NotificationRow)
        .values(asdict(notification))
        .on_conflict_do_nothing()
        .returning(NotificationRow.key)
    ).all()
    if new and due_at:
        rows = [
            {
                "key": notification.key,
                "target": target,
                "state": DeliveryState.WAITING,
                "due_at": at,
                "attempts": 0,
            }
            for target, at in due_at.items()
        ]
        connection.execute(insert(connection, DeliveryRow), rows)
    return bool(new)


def claim_deliveries(
    connection: Connection,
    target: str,
    now: datetime,
    *,
    per_hour: int,
    most: int,
    message_id: str,
) -> list[Delivery]:
    """
    Claim up to *most* due deliveries to *target*, the oldest first, to be sent as one message.

    None while *per_hour* messages to it were begun within the last hour. Once this returns,
    nobody else claims them, and they are sent a second time only if `settle_deliveries` allows it.
    """
    _alone_at(connection, target)
    begun = connection.scalar(
        select(func.count(func.distinct(DeliveryRow.message_id))).where(
            DeliveryRow.target == target,
            DeliveryRow.state.in_(_BEGUN),
            DeliveryRow.claimed_at > now - _HOUR,
        )
    )
    if (begun or 0) >= per_hour:
        return []
    due = _deliveries().where(
        DeliveryRow.target == target,
        DeliveryRow.state == DeliveryState.WAITING,
        DeliveryRow.due_at <= now,
    )
    oldest_first = due.order_by(NotificationRow.recorded_at, DeliveryRow.key).limit(most)
    claimed = [_delivery(row) for row in connection.execute(oldest_first)]
    if claimed:
        connection.execute(
            update(DeliveryRow)
            .where(DeliveryRow.target == target, DeliveryRow.key.in_([one.key for one in claimed]))
            .values(
                state=DeliveryState.SENDING,
                claimed_at=now,
                message_id=message_id,
                attempts=DeliveryRow.attempts + 1,
            )
        )
    return claimed


def settle_deliveries(
    connection: Connection,
    message_id: str,
    keys: Sequence[str],
    state: DeliveryState,
    *,
    at: datetime,
    error: str | None = None,
) -> None:
    """Record the outcome of *message_id* for *keys*; WAITING: it is due again *at*."""
    due_at = {"due_at": at} if state is DeliveryState.WAITING else {}
    connection.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.message_id == message_id,
            DeliveryRow.key.in_(keys),
            DeliveryRow.state == DeliveryState.SENDING,
        )
        .values(state=state, error=error, **due_at)
    )
    if state is DeliveryState.SENT:
        first = func.coalesce(NotificationRow.delivered_at, literal(at, UtcDateTime()))
        connection.execute(
            update(NotificationRow).where(NotificationRow.key.in_(keys)).values(delivered_at=first)
        )


def give_up_unended(connection: Connection, begun_before: datetime) -> int:
    """Mark those begun before then and never ended as unconfirmed; return how many."""
    done = connection.execute(
        update(DeliveryRow)
        .where(DeliveryRow.state == DeliveryState.SENDING, DeliveryRow.claimed_at < begun_before)
        .values(state=DeliveryState.UNCONFIRMED, error="its sender ended while it was on the way")
    )
    return done.rowcount


def resend(connection: Connection, key: str, target: str, now: datetime) -> bool:
    """Make a finished delivery due again, though it may have arrived; False if there is none."""
    done = connection.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.key == key,
            DeliveryRow.target == target,
            DeliveryRow.state.in_(
                (DeliveryState.SENT, DeliveryState.UNCONFIRMED, DeliveryState.FAILED)
            ),
        )
        .values(state=DeliveryState.WAITING, due_at=now, attempts=0, error=None)
    )
    return done.rowcount == 1


def deliveries(
    connection: Connection,
    *,
    key: str | None = None,
    states: Sequence[DeliveryState] = tuple(DeliveryState),
    limit: int = 100,
) -> list[Delivery]:
    """Return deliveries in *states*, of the notification *key* or of all, the newest first."""
    query = _deliveries().where(DeliveryRow.state.in_(states))
    if key is not None:
        query = query.where(DeliveryRow.key == key)
    newest_first = query.order_by(
        NotificationRow.recorded_at.desc(), DeliveryRow.key, DeliveryRow.target
    )
    return [_delivery(row) for row in connection.execute(newest_first.limit(limit))]


def _deliveries() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).join(NotificationRow, NotificationRow.key == DeliveryRow.key)


def _delivery(row: Any) -> Delivery:
    return Delivery(**{**row._mapping, "state": DeliveryState(row.state)})  # noqa: SLF001 -- its name for a dict


def _alone_at(connection: Connection, target: str) -> None:
    """Two concurrent counts would both find room; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:target, 0))")
        connection.execute(lock, {"target": f"deliveries to {target}"})
