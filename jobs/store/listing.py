"""Channels page by page: those that changed most first, then those without a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, tuple_

from jobs.store.channels import CHANNELS, matching, record
from jobs.store.models import ChannelRow, ScheduleRow, SourceSyncRow, SummaryRow
from jobs.store.overview import syncs_of
from jobs.store.rows import ChannelSync, ListedChannel, UnreadableChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

Position = tuple[float | None, str]
"""Where a page of the list starts: after this change (None: without a report) and this id."""


def channel_page(
    connection: Connection, *, after: Position | None = None, text: str = "", limit: int = 50
) -> tuple[list[ListedChannel], Position | None]:
    """
    Return the next *limit* channels with *text* in title or id, and where the next page starts.

    Those whose last week is farthest from the usual come first, by the key of the table; those
    without a report come last, by id.
    """
    found: list[tuple[float | None, ListedChannel]] = []
    if after is None or after[0] is not None:
        found += _changed(connection, after, text, limit + 1)
        after = (None, "")
    if len(found) <= limit:
        rest = _without(connection, after[1], text, limit + 1 - len(found))
        found += [(None, one) for one in rest]
    shown = found[:limit]
    place = (shown[-1][0], shown[-1][1].channel.id) if len(found) > limit else None
    return _with_syncs(connection, [one for _, one in shown]), place


def unreadable(connection: Connection, limit: int = 50) -> tuple[int, list[UnreadableChannel]]:
    """Return how many channels have no source that could be read, and the first by failures."""
    well = select(SourceSyncRow.channel_id).where(SourceSyncRow.consecutive_failures == 0)
    bad = (
        select(
            SourceSyncRow.channel_id,
            func.max(SourceSyncRow.consecutive_failures).label("failures"),
            func.max(SourceSyncRow.reason).label("reason"),
            func.max(SourceSyncRow.succeeded_at).label("succeeded_at"),
        )
        .where(SourceSyncRow.consecutive_failures > 0, SourceSyncRow.channel_id.not_in(well))
        .group_by(SourceSyncRow.channel_id)
        .subquery()
    )
    total = connection.scalar(select(func.count()).select_from(bad)) or 0
    rows = connection.execute(
        CHANNELS.add_columns(bad.c.reason, bad.c.failures, bad.c.succeeded_at, ScheduleRow.due_at)
        .join(bad, bad.c.channel_id == ChannelRow.id)
        .join(ScheduleRow, ScheduleRow.channel_id == ChannelRow.id, isouter=True)
        .order_by(bad.c.failures.desc(), ChannelRow.id)
        .limit(limit)
    )
    return total, [UnreadableChannel(record(*row[:-4]), *row[-4:]) for row in rows]


def _changed(
    connection: Connection, after: Position | None, text: str, limit: int
) -> list[tuple[float, ListedChannel]]:
    query = (
        CHANNELS.add_columns(SummaryRow.change, SummaryRow.content, SummaryRow.made_at)
        .join(SummaryRow, SummaryRow.channel_id == ChannelRow.id)
        .where(matching(text))
        .order_by(SummaryRow.change.desc(), SummaryRow.channel_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(SummaryRow.change, SummaryRow.channel_id) < tuple_(*after))
    return [
        (row[-3], ListedChannel(record(*row[:-3]), ChannelSync(), row[-2], row[-1]))
        for row in connection.execute(query)
    ]


def _without(connection: Connection, after: str, text: str, limit: int) -> list[ListedChannel]:
    query = (
        CHANNELS.join(SummaryRow, SummaryRow.channel_id == ChannelRow.id, isouter=True)
        .where(matching(text), SummaryRow.channel_id.is_(None), ChannelRow.id > after)
        .order_by(ChannelRow.id)
        .limit(limit)
    )
    return [
        ListedChannel(record(*row), ChannelSync(), None, None) for row in connection.execute(query)
    ]


def _with_syncs(connection: Connection, found: Sequence[ListedChannel]) -> list[ListedChannel]:
    syncs: dict[str, Any] = syncs_of(connection, [one.channel.id for one in found])
    return [
        ListedChannel(
            one.channel, syncs.get(one.channel.id, ChannelSync()), one.summary, one.made_at
        )
        for one in found
    ]
