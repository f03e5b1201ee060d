"""Turn raw data into charts."""

from __future__ import annotations

from jobs.drawn_charts import drawn_charts
from jobs.services import Services
from runner import Context, job


@job(queue="analytics", timeout_s=900)
async def visualize_data(ctx: Context, analysis_id: str) -> int:
    """
    Make the charts of an analysis: their data and specification, not yet a picture.

    Durable afterwards: all charts of the analysis, under one key each. They are cached there: the
    same data and the same code are not drawn a second time. One that cannot be drawn has the
    reason in its place.

    Returns the number of charts.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    services = ctx.get(Services)
    stored = await services.store.analyses.get(analysis_id)
    charts = await drawn_charts(services.store, stored, ctx.offload)
    return len(charts)
