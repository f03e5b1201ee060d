"""Analyses, and what is made of each: charts, recommendations, rendered files."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    String,
    Text,
    bindparam,
    case,
    cast,
    delete,
    insert,
    select,
    update,
)

from jobs.json_text import JsonText
from jobs.store import columns, upsert
from jobs.store.chunks import chunks
from jobs.store.errors import NotStoredError
from jobs.store.models import AnalysisRow, ChartRow, RecommendationRow, RenderingRow
from jobs.store.profiles import save_profile, similar
from jobs.store.rows import (
    AnalysedChannel,
    StoredAnalysis,
    StoredChart,
    StoredRecommendation,
    StoredRendering,
)
from jobs.store.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Executable, Select

# How the whole report is keyed among the renderings: a primary key cannot hold a null.
_REPORT = ""


def analysis_id(channel_id: str, fingerprint: str) -> str:
    """Sixteen hexadecimal digits, the same for the same channel and data in any process."""
    return hashlib.sha256(f"{channel_id}\n{fingerprint}".encode()).hexdigest()[:16]


def save_analysis(
    connection: Connection,
    channel_id: str,
    fingerprint: str,
    document: Mapping[str, Any] | JsonText,
) -> str:
    """Save the analysis; if its document changed, what was made of the former one is outdated."""
    key = analysis_id(channel_id, fingerprint)
    connection.execute(
        _saving(connection.dialect.name),
        {
            "id": key,
            "channel_id": channel_id,
            "fingerprint": fingerprint,
            "document": document if isinstance(document, JsonText) else dict(document),
            "analysed_at": datetime.now(UTC),
        },
    )
    return key


def analysis(connection: Connection, key: str) -> StoredAnalysis | None:
    """Give the analysis of that id."""
    return _one(connection, _ANALYSIS, {"of": key})


def latest_analysis(connection: Connection, channel_id: str) -> StoredAnalysis | None:
    """Give the analysis of the channel that was saved last."""
    return _one(connection, _LATEST, {"channel_id": channel_id})


def to_recommend(connection: Connection, key: str) -> AnalysedChannel | None:
    """Give what recommendations are made of, unless they are made already."""
    found = connection.execute(_TO_RECOMMEND, {"of": key}).one_or_none()
    if found is None:
        raise NotStoredError(f"analysis {key}", "it is not in the store", "analyse first")
    channel_id, document, recommended_at = found
    if recommended_at is not None:
        return None
    told = columns.load(connection, channel_id, only_with_items=True)
    return AnalysedChannel(JsonText(document), told)


def is_complete(connection: Connection, key: str) -> bool:
    """Say whether charts and recommendations were saved."""
    return connection.scalar(_COMPLETE, {"of": key}) is not None


def save_charts(connection: Connection, key: str, charts: Sequence[StoredChart]) -> None:
    """Replace the charts of an analysis."""
    _mark(connection, key, _CHARTED)
    connection.execute(_WITHOUT_CHARTS, {"of": key})
    if charts:
        connection.execute(
            insert(ChartRow),
            [
                {
                    "analysis_id": key,
                    "key": chart.key,
                    "position": position,
                    "title": chart.title,
                    "spec": dict(chart.spec),
                    "alt": chart.alt,
                }
                for position, chart in enumerate(charts)
            ],
        )


def charts(connection: Connection, key: str) -> list[StoredChart]:
    """Give the charts of an analysis in the order in which they were saved."""
    found = connection.execute(
        select(ChartRow.key, ChartRow.title, ChartRow.spec, ChartRow.alt)
        .where(ChartRow.analysis_id == key)
        .order_by(ChartRow.position)
    )
    return [StoredChart(*row) for row in found]


def save_recommendations(
    connection: Connection,
    key: str,
    items: Sequence[StoredRecommendation],
    answers: Mapping[str, Any] | None = None,
    profile: tuple[str, bytes] | None = None,
) -> bool:
    """Replace the recommendations of an analysis, and its answers; whether it has charts."""
    channel_id, charted_at = _mark(connection, key, _RECOMMENDED, found=answers)
    if profile is not None:
        save_profile(connection, channel_id, *profile)
        more = {**(answers or {}), "similar": similar(connection, channel_id)}
        connection.execute(_ANSWERED, {"of": key, "found": more})
    connection.execute(_WITHOUT_RECOMMENDATIONS, {"of": key})
    if items:
        connection.execute(
            insert(RecommendationRow),
            [
                {
                    "analysis_id": key,
                    "key": item.key,
                    "position": position,
                    "title": item.title,
                    "advice": item.advice,
                    "evidence": dict(item.evidence),
                    "strength": item.strength,
                }
                for position, item in enumerate(items)
            ],
        )
    return charted_at is not None


def recommendations(connection: Connection, key: str) -> list[StoredRecommendation]:
    """Give the recommendations of an analysis in the order in which they were saved."""
    found = connection.execute(_RECOMMENDATIONS, {"of": key})
    return [StoredRecommendation(*row) for row in found]


def answers(connection: Connection, key: str) -> dict[str, Any] | None:
    """Give what came of every subject that was looked at."""
    return connection.scalar(_ANSWERS, {"of": key})


def save_rendering(
    connection: Connection, key: str, chart_key: str | None, file_format: str, path: str
) -> None:
    """Record that a file was made; made again, the later path and time stand."""
    statement = upsert.insert(connection, RenderingRow).values(
        analysis_id=key,
        chart_key=_REPORT if chart_key is None else chart_key,
        format=file_format,
        path=path,
        rendered_at=datetime.now(UTC),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(RenderingRow.__table__.primary_key),
            set_={"path": statement.excluded.path, "rendered_at": statement.excluded.rendered_at},
        )
    )


def renderings(connection: Connection, channel_id: str) -> list[StoredRendering]:
    """Give the files made for a channel, the newest first."""
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
    """Give the path of each channel's newest HTML report."""
    found: dict[str, str] = {}
    for chunk in chunks(channel_ids):
        rows = connection.execute(_REPORTS, {"channel_ids": chunk})
        found.update((channel_id, path) for channel_id, path in rows)
    return found


# Statements are put together once: that takes longer than to run them.
_KEY = bindparam("of", type_=String())
_ANALYSES = select(
    AnalysisRow.id,
    AnalysisRow.channel_id,
    AnalysisRow.fingerprint,
    AnalysisRow.document,
    AnalysisRow.charted_at,
    AnalysisRow.recommended_at,
    AnalysisRow.analysed_at,
)
_ANALYSIS = _ANALYSES.where(AnalysisRow.id == _KEY)
_LATEST = (
    _ANALYSES.where(AnalysisRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(AnalysisRow.analysed_at.desc(), AnalysisRow.id)
    .limit(1)
)
_AT = bindparam("at", type_=UtcDateTime())
_OF_KEY: Any = update(AnalysisRow.__table__).where(AnalysisRow.id == _KEY)  # type: ignore[arg-type]
_MARKED = _OF_KEY.returning(AnalysisRow.channel_id, AnalysisRow.charted_at)
_CHARTED = _MARKED.values(charted_at=_AT)
_FOUND = bindparam("found", type_=JSON(none_as_null=True))
_RECOMMENDED = _MARKED.values(recommended_at=_AT, answers=_FOUND)
_ANSWERED = _OF_KEY.values(answers=_FOUND)
_ANSWERS = select(AnalysisRow.answers).where(AnalysisRow.id == _KEY)
_TO_RECOMMEND = select(
    AnalysisRow.channel_id, cast(AnalysisRow.document, Text), AnalysisRow.recommended_at
).where(AnalysisRow.id == _KEY)
_COMPLETE = select(AnalysisRow.id).where(
    AnalysisRow.id == _KEY,
    AnalysisRow.charted_at.is_not(None),
    AnalysisRow.recommended_at.is_not(None),
)
_WITHOUT_CHARTS = delete(ChartRow).where(ChartRow.analysis_id == _KEY)
_WITHOUT_RECOMMENDATIONS = delete(RecommendationRow).where(RecommendationRow.analysis_id == _KEY)
_RECOMMENDATIONS = (
    select(
        RecommendationRow.key,
        RecommendationRow.title,
        RecommendationRow.advice,
        RecommendationRow.evidence,
        RecommendationRow.strength,
    )
    .where(RecommendationRow.analysis_id == _KEY)
    .order_by(RecommendationRow.position)
)

_REPORTS = (
    select(AnalysisRow.channel_id, RenderingRow.path)
    .join(RenderingRow, RenderingRow.analysis_id == AnalysisRow.id)
    .where(
        AnalysisRow.channel_id.in_(bindparam("channel_ids", expanding=True, type_=String())),
        RenderingRow.chart_key == _REPORT,
        RenderingRow.format == "html",
    )
    # The last row of a channel rules.
    .order_by(RenderingRow.rendered_at, RenderingRow.path.desc())
)


@cache
def _saving(dialect: str) -> Executable:
    statement = upsert.insert_in(dialect, AnalysisRow)
    told = statement.excluded
    changed = cast(AnalysisRow.document, Text) != cast(told.document, Text)
    return statement.on_conflict_do_update(
        index_elements=[AnalysisRow.id],
        set_={
            "document": told.document,
            "analysed_at": told.analysed_at,
            "charted_at": case((changed, None), else_=AnalysisRow.charted_at),
            "recommended_at": case((changed, None), else_=AnalysisRow.recommended_at),
        },
    )


def _one(
    connection: Connection, query: Select[Any], arguments: Mapping[str, str]
) -> StoredAnalysis | None:
    found = connection.execute(query, arguments).one_or_none()
    return None if found is None else StoredAnalysis(*found)


def _mark(
    connection: Connection, key: str, change: Executable, **changed: Any
) -> tuple[str, datetime | None]:
    """
    Give the analysis's channel, and when it was charted.

    It is locked, too: two that replace its parts at once do so one after the other.
    """
    told = {"of": key, "at": datetime.now(UTC), **changed}
    found = connection.execute(change, told).one_or_none()
    if found is None:
        raise NotStoredError(f"analysis {key}", "it is not in the store", "analyse first")
    channel_id, charted_at = found
    return channel_id, charted_at
