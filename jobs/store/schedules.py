"""When channels are synced next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import String, bindparam, delete, literal, select, tuple_, update

from jobs.store.channels import CHANNELS, record
from jobs.store.models import ChannelRow, ItemRow, ScheduleRow
from jobs.store.rows import ChannelSchedule, ScheduledChannel
from jobs.store.upsert import insert
from jobs.sync_pace import LOOK_BACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

Plan: TypeAlias = "Callable[[ChannelSchedule, list[datetime]], ChannelSchedule]"
"""Takes a channel's schedule and the dates of its newest items, and returns its next schedule."""

_COLUMNS = (ScheduleRow.channel_id, ScheduleRow.every_s, ScheduleRow.interval_s, ScheduleRow.due_at)
_SCHEDULE = select(*_COLUMNS).where(ScheduleRow.channel_id == bindparam("of", type_=String()))
_LOCKED = _SCHEDULE.with_for_update()


def set_schedule(connection: Connection, schedule: ChannelSchedule) -> None:
    """
    Sync a channel by *schedule* from now on; it replaces an earlier one.

    Raises:
        NotStoredError: There is no such channel.
    """
    row: dict[str, Any] = {
        "channel_id": schedule.channel_id,
        "every_s": schedule.every_s,
        "interval_s": schedule.interval_s,
        "due_at": schedule.due_at,
    }
    statement = insert(connection, ScheduleRow).values(row)
    keys = list(ScheduleRow.__table__.primary_key)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))


def remove(connection: Connection, channel_id: str) -> bool:
    """Remove the channel's schedule; False if it had none."""
    removed = connection.execute(delete(ScheduleRow).where(ScheduleRow.channel_id == channel_id))
    return removed.rowcount > 0


def find(connection: Connection, channel_id: str) -> ChannelSchedule | None:
    """Return the channel's schedule, or None if it is synced only on request."""
    return _one(connection, _SCHEDULE, channel_id)


def replan(connection: Connection, channel_id: str, plan: Plan | None) -> ChannelSchedule | None:
    """Change the channel's schedule by *plan*, and return it; None without one."""
    # Locked: nobody changes or removes it before the new time is written.
    known = _one(connection, _LOCKED, channel_id)
    if known is None or plan is None:
        return known
    changed = plan(known, latest_publications(connection, channel_id, LOOK_BACK))
    connection.execute(
        update(ScheduleRow)
        .where(ScheduleRow.channel_id == channel_id)
        .values(interval_s=changed.interval_s, due_at=changed.due_at)
    )
    return changed


def page(
    connection: Connection, after: tuple[datetime, str] | None, limit: int
) -> list[ScheduledChannel]:
    """
    Return the next *limit* scheduled channels by when they are due.

    after: due time and id of the last channel of the page before; None for the first page.
    """
    query = (
        CHANNELS.add_columns(*_COLUMNS[1:])
        .join(ChannelRow, ChannelRow.id == ScheduleRow.channel_id)
        .order_by(ScheduleRow.due_at, ScheduleRow.channel_id)
        .limit(limit)
    )
    if after is not None:
        key = (ScheduleRow.due_at, ScheduleRow.channel_id)
        values = [literal(one, column.type) for one, column in zip(after, key, strict=True)]
        query = query.where(tuple_(*key) > tuple_(*values))
    found = connection.execute(query)
    return [
        ScheduledChannel(record(*channel), ChannelSchedule(channel[0], every_s, interval_s, due_at))
        for *channel, every_s, interval_s, due_at in found
    ]


def due(connection: Connection, now: datetime, limit: int) -> list[ChannelSchedule]:
    """Return at most *limit* schedules that are due at *now*, the longest overdue first."""
    found = connection.execute(
        select(*_COLUMNS)
        .where(ScheduleRow.due_at <= now)
        .order_by(ScheduleRow.due_at, ScheduleRow.channel_id)
        .limit(limit)
    )
    return [ChannelSchedule(*row) for row in found]


def advance(connection: Connection, moves: Sequence[tuple[ChannelSchedule, datetime]]) -> None:
    """Move each schedule to its new time, unless a sync has moved it since it was read."""
    table: Any = ScheduleRow.__table__
    time = table.c.due_at.type
    statement = (
        update(table)
        .where(
            table.c.channel_id == bindparam("key"),
            table.c.due_at == bindparam("read", type_=time),
        )
        .values(due_at=bindparam("due", type_=time))
    )
    rows = [{"key": one.channel_id, "read": one.due_at, "due": due_at} for one, due_at in moves]
    if rows:
        connection.execute(statement, rows)


def latest_publications(connection: Connection, channel_id: str, limit: int) -> list[datetime]:
    """Return the dates of the channel's *limit* newest items, the newest first."""
    found = connection.execute(
        select(ItemRow.published_at)
        .where(ItemRow.channel_id == channel_id, ItemRow.published_at.is_not(None))
        .order_by(ItemRow.published_at.desc())
        .limit(limit)
    )
    return [published_at for (published_at,) in found if published_at is not None]


def _one(
    connection: Connection, query: Select[*tuple[Any, ...]], channel_id: str
) -> ChannelSchedule | None:
    found = connection.execute(query, {"of": channel_id}).one_or_none()
    return None if found is None else ChannelSchedule(*found)
