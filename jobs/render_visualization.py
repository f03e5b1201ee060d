"""Turn charts into files: one chart, or the whole report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Literal

from jobs.lazy_import import imported
from jobs.notifications.event import report_ready
from jobs.notify import announce
from jobs.report_files import file_path, write_pages
from jobs.services import Services
from runner import Bury, Context, job
from runner.errors import OffloadDiedError

Format = Literal["html", "svg", "png", "pdf", "json"]


@job(queue="default", timeout_s=900)
async def render_visualization(
    ctx: Context, analysis_id: str, chart_key: str | None = None, file_format: Format = "html"
) -> str:
    """
    Render one chart of an analysis or, without a key, its whole report, in one format.

    Durable afterwards: the complete file, and its path in the store; of a report as pictures one
    for each page, and the path of the first; with a report, what it says first. Any number of
    renderings of one file may run at once: the file is always a complete one of them. People are
    notified of a channel's report once a week.

    Returns the path.

    Raises:
        NotStoredError: The analysis, its channel or the chart is not in the store.
        OSError: The file cannot be written.
        Bury: The one chart, or the report even without the charts that fail, cannot be drawn.
    """
    rendering = await imported("jobs.charts.rendering")
    services = ctx.get(Services)
    request = await rendering.gather(services.store, analysis_id, chart_key)
    # The renderer holds the interpreter lock, and a title may end its process.
    try:
        made = await rendering.render_apart(
            ctx.offload, request, file_format, services.report_paper
        )
    except OffloadDiedError as error:
        what = "the report" if chart_key is None else f"the chart {chart_key}"
        raise Bury(f"{what} of {request.channel.id} cannot be drawn: {error}") from error
    path = file_path(services.reports_dir, request.channel.id, chart_key, file_format)
    await asyncio.to_thread(write_pages, path, made.pages)
    await services.store.renderings.save(
        analysis_id, chart_key, file_format, path, summary=made.summary
    )
    if chart_key is None:
        advice = await services.store.analyses.recommendations(analysis_id)
        titles = [one.title for one in advice]
        ready = report_ready(request.channel, titles, str(path), datetime.now(UTC))
        await announce(services, [ready])
    return str(path)
