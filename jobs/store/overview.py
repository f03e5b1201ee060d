"""Channels as a list shows them: what is known of each, and how its syncs went."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, func, select

from jobs.store.channels import CHANNELS, matching, record
from jobs.store.chunks import chunks
from jobs.store.models import (
    ChannelGainRow,
    ChannelRow,
    ChannelSnapshotRow,
    ItemRow,
    ScheduleRow,
    SourceSyncRow,
)
from jobs.store.rows import ChannelOverview, ChannelSync
from jobs.store.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from jobs.store.rows import WeekOfCounters

_WEEK = timedelta(days=7)
_ABOUT_A_WEEK = timedelta(days=10)


def overviews(
    connection: Connection, text: str = "", limit: int | None = None
) -> tuple[int, list[ChannelOverview]]:
    """
    Return how many channels have *text* in title or id, and the first *limit* of them by title.

    All channels without a text; all of them listed without a limit.
    """
    which = matching(text)
    total = connection.scalar(select(func.count()).select_from(ChannelRow).where(which)) or 0
    by_title = CHANNELS.where(which).order_by(func.lower(ChannelRow.title), ChannelRow.id)
    records = [record(*row) for row in connection.execute(by_title.limit(limit))]
    ids = [one.id for one in records]
    items, syncs = _item_counts(connection, ids), syncs_of(connection, ids)
    return total, [
        ChannelOverview(
            channel=one,
            items=items.get(one.id, 0),
            sync=syncs.get(one.id, ChannelSync()),
            counters=_week(connection, one.id),
        )
        for one in records
    ]


def _item_counts(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(ids):
        query = (
            select(ItemRow.channel_id, func.count())
            .where(ItemRow.channel_id.in_(chunk))
            .group_by(ItemRow.channel_id)
        )
        found.update((channel_id, count) for channel_id, count in connection.execute(query))
    return found


def syncs_of(connection: Connection, ids: Sequence[str]) -> dict[str, ChannelSync]:
    """Of several sources, the last success counts, and any failure."""
    found: dict[str, ChannelSync] = {}
    for chunk in chunks(ids):
        scheduled = select(ScheduleRow.channel_id, ScheduleRow.due_at).where(
            ScheduleRow.channel_id.in_(chunk)
        )
        due = dict(connection.execute(scheduled).all())
        query = select(
            SourceSyncRow.channel_id,
            SourceSyncRow.succeeded_at,
            SourceSyncRow.consecutive_failures,
            SourceSyncRow.reason,
        ).where(SourceSyncRow.channel_id.in_(chunk))
        for channel_id, succeeded_at, failures, reason in connection.execute(query):
            known = found.get(channel_id, ChannelSync())
            found[channel_id] = ChannelSync(
                synced_at=max(filter(None, (known.synced_at, succeeded_at)), default=None),
                problem=known.problem or (reason if failures else ""),
            )
        for channel_id, due_at in due.items():
            known = found.get(channel_id, ChannelSync())
            found[channel_id] = ChannelSync(known.synced_at, known.problem, due_at)
    return found


def _week(connection: Connection, channel_id: str) -> WeekOfCounters:
    """Read three rows by the key of the table, however many there are."""
    subscribers = connection.scalar(_SUBSCRIBERS, {"channel_id": channel_id})
    last = connection.execute(_VIEWS, {"channel_id": channel_id}).one_or_none()
    if last is None:
        return subscribers, None, _gained(connection, channel_id)
    observed_at, views = last
    before = connection.execute(
        _VIEWS_UNTIL, {"channel_id": channel_id, "until": observed_at - _WEEK}
    ).one_or_none()
    if before is None or observed_at - before[0] > _ABOUT_A_WEEK:
        return subscribers, views, None
    return subscribers, views, (views or 0) - (before[1] or 0)


def _gained(connection: Connection, channel_id: str) -> int | None:
    """What the last seven days brought, where an owner's export gives them and no counter."""
    days = connection.execute(_GAINS, {"channel_id": channel_id}).all()
    whole = len(days) == _WEEK.days and days[0].day - days[-1].day < _WEEK
    return sum(one.views for one in days) if whole else None


def _last(column: Any) -> Select[Any]:
    return (
        select(column)
        .where(
            ChannelSnapshotRow.channel_id == bindparam("channel_id", type_=String()),
            column.is_not(None),
        )
        .order_by(ChannelSnapshotRow.observed_at.desc())
        .limit(1)
    )


_GAINS = (
    select(ChannelGainRow.day, ChannelGainRow.views)
    .where(
        ChannelGainRow.channel_id == bindparam("channel_id", type_=String()),
        ChannelGainRow.views.is_not(None),
    )
    .order_by(ChannelGainRow.day.desc())
    .limit(_WEEK.days)
)
_SUBSCRIBERS = _last(ChannelSnapshotRow.subscribers)
_VIEWS = _last(ChannelSnapshotRow.views).with_only_columns(
    ChannelSnapshotRow.observed_at, ChannelSnapshotRow.views
)
_VIEWS_UNTIL = _VIEWS.where(
    ChannelSnapshotRow.observed_at <= bindparam("until", type_=UtcDateTime())
)
