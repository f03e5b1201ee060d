"""Files made of analyses: reports, and single charts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import String, bindparam, select

from jobs.store.chunks import chunks
from jobs.store.models import AnalysisRow, RenderingRow
from jobs.store.rows import StoredRendering
from jobs.store.summaries import save_summary
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from jobs.channel.summary import ReportSummary

# The chart key of the whole report: a primary key cannot hold a null.
_REPORT = ""


def save_rendering(
    connection: Connection,
    analysis_id: str,
    chart_key: str | None,
    file_format: str,
    path: str | Path,
    *,
    summary: ReportSummary | None = None,
) -> None:
    """
    Record that *path* holds the chart or, with None, the whole report, in *file_format*.

    summary: what the report says first; it becomes that of the channel.
    """
    statement = insert(connection, RenderingRow).values(
        analysis_id=analysis_id,
        chart_key=_REPORT if chart_key is None else chart_key,
        format=file_format,
        path=str(path),
        rendered_at=datetime.now(UTC),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(RenderingRow.__table__.primary_key),
            set_={"path": statement.excluded.path, "rendered_at": statement.excluded.rendered_at},
        )
    )
    if summary is not None:
        save_summary(connection, analysis_id, summary)


def renderings(connection: Connection, channel_id: str) -> list[StoredRendering]:
    """Return the files made for the channel, the newest first."""
    found = connection.execute(
        select(
            RenderingRow.analysis_id,
            RenderingRow.chart_key,
            RenderingRow.format,
            RenderingRow.path,
            RenderingRow.rendered_at,
        )
        .join(AnalysisRow, AnalysisRow.id == RenderingRow.analysis_id)
        .where(AnalysisRow.channel_id == channel_id)
        .order_by(RenderingRow.rendered_at.desc(), RenderingRow.path)
    )
    return [
        StoredRendering(key, None if chart == _REPORT else chart, file_format, path, rendered_at)
        for key, chart, file_format, path, rendered_at in found
    ]


def report_paths(connection: Connection, channel_ids: Sequence[str]) -> dict[str, str]:
    """Return the path of the newest HTML report of each of *channel_ids* that has one."""
    found: dict[str, str] = {}
    for chunk in chunks(channel_ids):
        rows = connection.execute(_REPORTS, {"channel_ids": chunk})
        found.update((channel_id, path) for channel_id, path in rows)
    return found


_REPORTS = (
    select(AnalysisRow.channel_id, RenderingRow.path)
    .join(RenderingRow, RenderingRow.analysis_id == AnalysisRow.id)
    .where(
        AnalysisRow.channel_id.in_(bindparam("channel_ids", expanding=True, type_=String())),
        RenderingRow.chart_key == _REPORT,
        RenderingRow.format == "html",
    )
    # The last row of a channel wins.
    .order_by(RenderingRow.rendered_at, RenderingRow.path.desc())
)
