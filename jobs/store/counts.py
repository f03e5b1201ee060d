"""Counts of what the store has of each channel."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from jobs.store.chunks import chunks
from jobs.store.models import (
    AnalysisRow,
    ChannelGainRow,
    ChannelSnapshotRow,
    ChartRow,
    ItemRow,
    ItemSnapshotRow,
    NotificationRow,
    RecommendationRow,
)
from jobs.store.rows import ChannelCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select


def counts(connection: Connection, channel_ids: Sequence[str]) -> dict[str, ChannelCounts]:
    """Count what is stored of each of *channel_ids*; zeros for an unknown one."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for chunk in chunks(channel_ids):
        for kind, query in _queries(chunk).items():
            for channel_id, count in connection.execute(query):
                found[str(channel_id)][kind] = count
    return {channel_id: ChannelCounts(**found[channel_id]) for channel_id in channel_ids}


def _queries(channel_ids: Sequence[str]) -> dict[str, Select[str | None, int]]:
    queries: dict[str, Select[str | None, int]] = {}
    for kind, model in (
        ("items", ItemRow),
        ("channel_snapshots", ChannelSnapshotRow),
        ("item_snapshots", ItemSnapshotRow),
        ("gains", ChannelGainRow),
        ("analyses", AnalysisRow),
        ("notifications", NotificationRow),
    ):
        queries[kind] = (
            select(model.channel_id, func.count())
            .where(model.channel_id.in_(channel_ids))
            .group_by(model.channel_id)
        )
    for kind, part in (("charts", ChartRow), ("recommendations", RecommendationRow)):
        queries[kind] = (
            select(AnalysisRow.channel_id, func.count())
            .join(part, part.analysis_id == AnalysisRow.id)
            .where(AnalysisRow.channel_id.in_(channel_ids))
            .group_by(AnalysisRow.channel_id)
        )
    return queries
