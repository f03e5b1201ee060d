"""Start all that is analysed of one channel."""

from __future__ import annotations

from jobs.analyze_channel import analyze_channel
from runner import Context, job


@job(queue="analytics")
async def run_analytics(ctx: Context, channel_id: str) -> str:  # noqa: ARG001 -- every job has one
    """
    Enqueue the analysis of the channel; charts, recommendations and report follow from it.

    Returns the id of the job that analyses.
    """
    handle = await analyze_channel.enqueue(channel_id=channel_id)
    return handle.id
