"""
Render a stored report or chart as a file: `gather` reads the store, `render` does the work.

What draws is imported where it runs, in a process of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from jobs.apart import DRAWING, ONE_CHART
from jobs.channel.summary import ReportSummary
from jobs.recommendations.strength import NO_EVIDENCE
from runner.errors import OffloadDiedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.analysis import ChannelAnalysis
    from jobs.apart import Run
    from jobs.channel.records import ChannelRecord, SourceRef
    from jobs.charts.chart_file import Format
    from jobs.charts.figures import Tried
    from jobs.charts.report import ReportFormat
    from jobs.charts.typeset import Paper
    from jobs.store import ChannelStore, StoredAnalysis, StoredChart, StoredRecommendation


_MOST_NAMED = 2
"""So many sources fit into the foot of a page."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one rendering needs from the store: of the report, or with *chart* of that chart."""

    channel: ChannelRecord
    analysis: StoredAnalysis
    charts: Sequence[StoredChart]
    recommendations: Sequence[StoredRecommendation]
    answers: Sequence[Mapping[str, Any]]
    similar: Mapping[str, Any] | None
    source_note: str
    chart: StoredChart | None
    today: date
    peers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files' contents, of a report as pictures one for each page, and its summary."""

    pages: list[bytes]
    summary: ReportSummary | None = None


async def gather(store: ChannelStore, analysis_id: str, chart_key: str | None) -> Request:
    """
    Read what rendering needs: of one chart with *chart_key*, of the whole report without.

    Raises:
        NotStoredError: The analysis, its channel or the chart is not in the store.
    """
    from jobs.store import NotStoredError

    stored = await store.analyses.get(analysis_id)
    channel = await store.channels.find(stored.channel_id)
    if channel is None:
        raise NotStoredError(f"channel {stored.channel_id}", "it is not in the store")
    charts = await store.analyses.charts(analysis_id)
    chart = next((each for each in charts if each.key == chart_key), None)
    if chart_key is not None and chart is None:
        raise NotStoredError(
            f"chart {chart_key} of analysis {analysis_id}",
            "it is not in the store",
            f"there are {', '.join(each.key for each in charts) or 'none'}",
        )
    similar = await store.profiles.similar(channel.id)
    # The nearest of all are not alike for that; a comparison before strengths were told has none.
    peers = [
        one["channel_id"]
        for one in (similar or {}).get("nearest", [])
        if one.get("strength") != NO_EVIDENCE
    ]
    return Request(
        channel=channel,
        analysis=stored,
        charts=charts,
        recommendations=await store.analyses.recommendations(analysis_id),
        answers=(await store.analyses.answers(analysis_id) or {}).get("subjects", []),
        similar=similar,
        source_note=source_note(await store.channels.sources_of(channel.id)),
        chart=chart,
        today=datetime.now(UTC).date(),
        peers=await store.analyses.recent(peers),
    )


def _read(stored: StoredAnalysis) -> ChannelAnalysis:
    from pydantic import ValidationError

    from jobs.analysis import ChannelAnalysis
    from jobs.store import NotStoredError

    try:
        return ChannelAnalysis.model_validate(stored.document)
    except ValidationError:
        raise NotStoredError(
            f"analysis {stored.id}",
            "another version of this program made it",
            "sync or run the channel again",
        ) from None


async def render_apart(
    run: Run, request: Request, file_format: Format | ReportFormat, paper: Paper
) -> Rendered:
    """
    Return what `render` does, by *run*.

    If a report ends the process that makes it, each of its charts is drawn by itself; the report is
    made without those that cannot be drawn, and says so. If the drawings end it, too, it is made
    without any.

    Raises:
        OffloadDiedError: The report without charts, or the one chart, cannot be drawn.
        NotStoredError, ValueError: As for `render`.
    """
    try:
        return await run(render, request, file_format, paper, limits=DRAWING)
    except OffloadDiedError:
        if request.chart is not None:
            raise
    tried = {
        chart.key: found
        for chart, found in zip(
            request.charts,
            await asyncio.gather(*(_by_itself(run, one) for one in request.charts)),
            strict=True,
        )
    }
    try:
        return await run(render, request, file_format, paper, tried, limits=DRAWING)
    except OffloadDiedError as error:
        from jobs.charts.figures import Tried

        reason = f"with the charts, {error}"
        none = {key: Tried("", one.undrawn or reason) for key, one in tried.items()}
        return await run(render, request, file_format, paper, none, limits=DRAWING)


async def _by_itself(run: Run, chart: StoredChart) -> Tried:
    try:
        return await run(_try, chart.spec, chart.key, limits=ONE_CHART)
    except OffloadDiedError as error:
        from jobs.charts.figures import Tried

        return Tried("", str(error))


def _try(spec: Mapping[str, Any], key: str) -> Tried:
    from jobs.charts.drawing import embedded_svg
    from jobs.charts.figures import Tried
    from jobs.charts.making import in_short

    try:
        return Tried(embedded_svg(spec, key), "")
    except Exception as error:  # noqa: BLE001 -- the renderer may fail at anything
        return Tried("", in_short(error))


def render(
    request: Request,
    file_format: Format | ReportFormat,
    paper: Paper,
    tried: Mapping[str, Tried] | None = None,
) -> Rendered:
    """
    Return the content of the file or, of a report as pictures, of the file of each page.

    CPU-bound, up to a second for a report: see `drawing`.

    tried: by key the charts that were drawn before, and are not drawn again.

    Raises:
        NotStoredError: Another version of this program made the analysis.
        ValueError: There is no such format; only a whole report has json.
    """
    from jobs.charts import compose, render_pages
    from jobs.charts import render as render_chart
    from jobs.charts.summary import change_of, content_of, series_of

    if request.chart is not None:
        # `render_chart` refuses a format that charts do not have.
        return Rendered([render_chart(request.chart.spec, cast("Format", file_format))])
    analysis = _read(request.analysis)
    document = compose(
        request.channel,
        analysis,
        request.charts,
        request.recommendations,
        answers=request.answers,
        peers=request.peers,
        similar=request.similar,
        source_note=request.source_note,
        today=request.today,
    )
    return Rendered(
        render_pages(document, file_format, paper=paper, tried=tried or {}),
        ReportSummary(
            abs(change_of(analysis)),
            content_of(document, analysis),
            series_of(analysis),
        ),
    )


def source_note(sources: Sequence[SourceRef]) -> str:
    """Return where the data comes from: names of files and addresses, without local paths."""
    names = list(dict.fromkeys(_name(source) for source in sources))
    more = len(names) - _MOST_NAMED
    shown = ", ".join(names if more <= 1 else names[:_MOST_NAMED])
    return f"Source: {shown}{f' and {more} more' if more > 1 else ''}" if names else ""


def _name(source: SourceRef) -> str:
    parts = urlsplit(source.location)
    if parts.scheme in {"http", "https"}:
        # An address may contain a password or a key; neither belongs in a report.
        return f"{parts.hostname or ''}{parts.path}"
    if source.kind == "samples":
        return "generated by this program"
    return source.location.rstrip("/").rsplit("/", 1)[-1]
