"""What the newest report of each channel says first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from jobs.channel.summary import ReportSummary
from jobs.store.chunks import chunks
from jobs.store.models import AnalysisRow, SummaryRow
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection


def save_summary(connection: Connection, analysis_id: str, found: ReportSummary) -> None:
    """Make *found* the summary of the channel of the analysis."""
    channel_id = connection.scalar(
        select(AnalysisRow.channel_id).where(AnalysisRow.id == analysis_id)
    )
    statement = insert(connection, SummaryRow).values(
        channel_id=channel_id,
        change=found.change,
        content=dict(found.content),
        series=dict(found.series),
        made_at=datetime.now(UTC),
    )
    new = statement.excluded
    names = ("change", "content", "series", "made_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[SummaryRow.channel_id], set_={name: new[name] for name in names}
        )
    )


def summary(connection: Connection, channel_id: str) -> tuple[ReportSummary, datetime] | None:
    """Return what the channel's newest report says first, and when that was made; or None."""
    row = connection.execute(
        select(SummaryRow.change, SummaryRow.content, SummaryRow.series, SummaryRow.made_at).where(
            SummaryRow.channel_id == channel_id
        )
    ).one_or_none()
    return None if row is None else (ReportSummary(row[0], row[1], row[2]), row[3])


def summaries_of(
    connection: Connection, channel_ids: Sequence[str]
) -> dict[str, tuple[float, Mapping[str, Any]]]:
    """Return change and content of the summaries of those of *channel_ids* that have one."""
    found: dict[str, tuple[float, Mapping[str, Any]]] = {}
    for chunk in chunks(channel_ids):
        query = select(SummaryRow.channel_id, SummaryRow.change, SummaryRow.content)
        for row in connection.execute(query.where(SummaryRow.channel_id.in_(chunk))):
            found[row[0]] = (row[1], row[2])
    return found
