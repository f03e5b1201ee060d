"""Analyses, and the charts and recommendations made of each."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    String,
    Text,
    and_,
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
from jobs.store.errors import NotStoredError
from jobs.store.models import AnalysisRow, ChartRow, RecommendationRow, RenderingRow
from jobs.store.profiles import save_profile, similar
from jobs.store.rows import (
    AnalysedChannel,
    AnalysisRun,
    StoredAnalysis,
    StoredChart,
    StoredRecommendation,
)
from jobs.store.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Executable, Select


def analysis_id(channel_id: str, fingerprint: str) -> str:
    """Sixteen hexadecimal digits, the same for the same channel and data in any process."""
    return hashlib.sha256(f"{channel_id}\n{fingerprint}".encode()).hexdigest()[:16]


def save_analysis(
    connection: Connection,
    channel_id: str,
    fingerprint: str,
    document: Mapping[str, Any] | JsonText,
    answers: Mapping[str, Any] | None = None,
) -> str:
    """
    Save what was found in the data of *fingerprint*, and return its id, made of these two.

    With *answers*, they are saved as those of an analysis without recommendations.

    Saved again, it is the channel's latest analysis; with another document its charts and
    recommendations are outdated (`charted_at` and `recommended_at` become None).
    """
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
    if answers is not None:
        save_recommendations(connection, key, [], answers)
    return key


def analysis(connection: Connection, key: str) -> StoredAnalysis:
    """
    Return the analysis.

    Raises:
        NotStoredError: There is none of this id.
    """
    found = _one(connection, _ANALYSIS, {"of": key})
    if found is None:
        raise NotStoredError(f"analysis {key}", "it is not in the store")
    return found


def latest_analysis(connection: Connection, channel_id: str) -> StoredAnalysis | None:
    """Return the channel's analysis that was saved last, or None."""
    return _one(connection, _LATEST, {"channel_id": channel_id})


def recent(connection: Connection, channel_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the newest days in the latest analysis of each of a few channels that has one."""
    found = [connection.scalar(_RECENT, {"channel_id": one}) for one in channel_ids]
    return [days for days in found if days is not None]


def runs(connection: Connection, channel_id: str, limit: int = 6) -> list[AnalysisRun]:
    """Return what was made of the channel's data and when, the newest first."""
    found = connection.execute(_RUNS.limit(limit), {"channel_id": channel_id})
    return [AnalysisRun(*row) for row in found]


def to_recommend(connection: Connection, key: str) -> AnalysedChannel | None:
    """
    Return the analysis with its channel's data, from one state; None if it has recommendations.

    Raises:
        NotStoredError: There is none of this id.
    """
    found = connection.execute(_TO_RECOMMEND, {"of": key}).one_or_none()
    if found is None:
        raise NotStoredError(f"analysis {key}", "it is not in the store", "analyse first")
    channel_id, document, recommended_at = found
    if recommended_at is not None:
        return None
    data = columns.load(connection, channel_id, only_with_items=True)
    return AnalysedChannel(JsonText(document), data)


def save_charts(connection: Connection, key: str, charts: Sequence[StoredChart]) -> None:
    """Make *charts* the charts of the analysis, and set its `charted_at`."""
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
    """Return the charts of the analysis, in the order they were saved in."""
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
) -> None:
    """
    Make *items*, maybe none, the recommendations of the analysis, and set its `recommended_at`.

    answers: the outcome for every subject examined, “no evidence” included. profile: fingerprint
    and description of the channel's content; it is saved unless it is stored already, and what
    `save_similar` recorded last for the channel becomes the answer “similar”.
    """
    channel_id = _mark(connection, key, _RECOMMENDED, found=answers)
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


def recommendations(connection: Connection, key: str) -> list[StoredRecommendation]:
    """Return the recommendations of the analysis, in the order they were saved in."""
    found = connection.execute(_RECOMMENDATIONS, {"of": key})
    return [StoredRecommendation(*row) for row in found]


def answers(connection: Connection, key: str) -> dict[str, Any] | None:
    """Return the answers saved with the recommendations of the analysis, or None."""
    return connection.scalar(_ANSWERS, {"of": key})


# Statements are built once: building takes longer than running them.
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
_RECENT = (
    select(AnalysisRow.document["recent"])
    .where(AnalysisRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(AnalysisRow.analysed_at.desc(), AnalysisRow.id)
    .limit(1)
)
_RUNS = (
    select(
        AnalysisRow.id,
        AnalysisRow.analysed_at,
        AnalysisRow.charted_at,
        AnalysisRow.recommended_at,
        RenderingRow.rendered_at,
    )
    .join(
        RenderingRow,
        and_(
            RenderingRow.analysis_id == AnalysisRow.id,
            RenderingRow.chart_key == "",
            RenderingRow.format == "html",
        ),
        isouter=True,
    )
    .where(AnalysisRow.channel_id == bindparam("channel_id", type_=String()))
    .order_by(AnalysisRow.analysed_at.desc(), AnalysisRow.id)
)
_AT = bindparam("at", type_=UtcDateTime())
_OF_KEY: Any = update(AnalysisRow.__table__).where(AnalysisRow.id == _KEY)  # type: ignore[arg-type]
_MARKED = _OF_KEY.returning(AnalysisRow.channel_id)
_CHARTED = _MARKED.values(charted_at=_AT)
_FOUND = bindparam("found", type_=JSON(none_as_null=True))
_RECOMMENDED = _MARKED.values(recommended_at=_AT, answers=_FOUND)
_ANSWERED = _OF_KEY.values(answers=_FOUND)
_ANSWERS = select(AnalysisRow.answers).where(AnalysisRow.id == _KEY)
_TO_RECOMMEND = select(
    AnalysisRow.channel_id, cast(AnalysisRow.document, Text), AnalysisRow.recommended_at
).where(AnalysisRow.id == _KEY)
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


@cache
def _saving(dialect: str) -> Executable:
    statement = upsert.insert_in(dialect, AnalysisRow)
    new = statement.excluded
    changed = cast(AnalysisRow.document, Text) != cast(new.document, Text)
    return statement.on_conflict_do_update(
        index_elements=[AnalysisRow.id],
        set_={
            "document": new.document,
            "analysed_at": new.analysed_at,
            "charted_at": case((changed, None), else_=AnalysisRow.charted_at),
            "recommended_at": case((changed, None), else_=AnalysisRow.recommended_at),
        },
    )


def _one(
    connection: Connection, query: Select[Any], arguments: Mapping[str, str]
) -> StoredAnalysis | None:
    found = connection.execute(query, arguments).one_or_none()
    return None if found is None else StoredAnalysis(*found)


def _mark(connection: Connection, key: str, change: Executable, **changed: Any) -> str:
    """
    Return the analysis's channel.

    This locks it, too: two callers that replace its parts do so one after the other.
    """
    values = {"of": key, "at": datetime.now(UTC), **changed}
    channel_id = connection.scalar(change, values)
    if channel_id is None:
        raise NotStoredError(f"analysis {key}", "it is not in the store", "analyse first")
    return str(channel_id)
