"""Analyse what the store knows about a channel."""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.apart import COMPUTING
from jobs.computing import analysed
from jobs.notify import announce
from jobs.recommend import recommend
from jobs.report_flow import report_flow
from jobs.services import Services
from runner import Context, job


@job(queue="analytics")
async def analyze_channel(ctx: Context, channel_id: str, *, report: bool = True) -> str:
    """
    Analyse the channel, then start its recommendations or, for a *report*, the flow that makes it.

    Durable afterwards: one analysis for this state of the data; the same data gives the same
    analysis under the same id. For a channel without items, of which nothing can be asked, also
    the answers that say so: no job follows for those. People are notified of the analysis's news.

    Returns the id of the analysis.

    Raises:
        NotStoredError: The channel is not in the store.
    """
    services = ctx.get(Services)
    store = services.store
    columns = await store.readings.columns(channel_id)
    fingerprint, document, events, answers = await ctx.offload(
        analysed, columns, datetime.now(UTC), limits=COMPUTING
    )
    analysis_id = await store.analyses.save(channel_id, fingerprint, document, answers)
    await announce(services, events)
    if report:
        follows = report_flow(
            analysis_id, f"{ctx.job_id}:report", advise=answers is None, parent=ctx.batch_id
        )
        await follows.start()
    elif answers is None:
        await recommend.enqueue(analysis_id=analysis_id)
    return analysis_id
