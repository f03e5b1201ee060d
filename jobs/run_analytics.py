"""Start the analysis of one channel, and what follows from it."""

from __future__ import annotations

from jobs.analyze_channel import analyze_channel
from runner import Context, job


@job(queue="analytics")
async def run_analytics(
    ctx: Context,  # noqa: ARG001 -- every job has one
    channel_id: str,
    *,
    report: bool = True,
) -> str:
    """
    Enqueue the analysis of the channel; recommendations follow, and charts for a *report*.

    Returns the id of the job that analyses.
    """
    handle = await analyze_channel.enqueue(channel_id=channel_id, report=report)
    return handle.id
