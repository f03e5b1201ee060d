"""Channels page by page, with their last counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from jobs.store.channels import CHANNELS, matching, record
from jobs.store.models import AnalysisRow, ChannelRow, ChannelSnapshotRow, SourceSyncRow
from jobs.store.rows import ListedChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_READINGS = 30


def channel_page(
    connection: Connection, *, after: str | None = None, text: str = "", limit: int = 50
) -> list[ListedChannel]:
    """Return the next *limit* channels by id after *after* with *text* in title or id."""
    query = CHANNELS.where(matching(text)).order_by(ChannelRow.id)
    if after is not None:
        query = query.where(ChannelRow.id > after)
    records = [record(*row) for row in connection.execute(query.limit(limit))]
    ids = [one.id for one in records]
    analysed = {
        row[0]: row[1]
        for row in connection.execute(
            select(AnalysisRow.channel_id, func.max(AnalysisRow.analysed_at))
            .where(AnalysisRow.channel_id.in_(ids))
            .group_by(AnalysisRow.channel_id)
        )
    }
    failing = _failing(connection, ids)
    return [
        ListedChannel(
            channel=one,
            readings=_readings(connection, one.id),
            analysed_at=analysed.get(one.id),
            failing=failing.get(one.id, ""),
        )
        for one in records
    ]


def _readings(connection: Connection, channel_id: str) -> list[tuple[int | None, int | None]]:
    """Return the last subscribers and views, oldest first, by the key of the table."""
    found = connection.execute(
        select(ChannelSnapshotRow.subscribers, ChannelSnapshotRow.views)
        .where(ChannelSnapshotRow.channel_id == channel_id)
        .order_by(ChannelSnapshotRow.observed_at.desc())
        .limit(_READINGS)
    )
    return [(subscribers, views) for subscribers, views in found][::-1]


def _failing(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return why a source could not be read, for the channels that have such a source."""
    found = connection.execute(
        select(SourceSyncRow.channel_id, SourceSyncRow.reason).where(
            SourceSyncRow.channel_id.in_(ids), SourceSyncRow.consecutive_failures > 0
        )
    )
    return {row.channel_id: row.reason for row in found}
