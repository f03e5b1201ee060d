"""Turn raw data into charts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jobs.render_visualization import enqueue_report_when_ready
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel_data import ChannelData
    from jobs.store import StoredChart


@job(queue="analytics")
async def visualize_data(ctx: Context, analysis_id: str) -> int:
    """
    Make the charts of an analysis: their data and specification, not yet a picture.

    Durable afterwards: all charts of the analysis, under one key each. They are kept with the
    analysis, so the same data is drawn once only.

    Returns the number of charts.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    store = ctx.get(Services).store
    stored = await store.stored_analysis(analysis_id)
    if stored.charted_at is None:
        data = await store.load(stored.channel_id)
        charts = await asyncio.to_thread(_draw, data, stored.document)
        await store.save_charts(analysis_id, charts)
    await enqueue_report_when_ready(store, analysis_id)
    return len(await store.charts(analysis_id))


def _draw(data: ChannelData, document: dict[str, Any]) -> list[StoredChart]:
    """The first import of the libraries takes a second, so it belongs into the thread, too."""
    from jobs.analysis import ChannelAnalysis
    from jobs.charts import build_charts
    from jobs.store import StoredChart

    charts = build_charts(data, ChannelAnalysis.model_validate(document))
    return [StoredChart(each.key, each.title, each.spec, each.alt) for each in charts]
