"""Analyse what the store knows of a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.recommend import recommend
from jobs.services import Services
from jobs.visualize_data import visualize_data
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel_data import ChannelData


@job(queue="analytics")
async def analyze_channel(ctx: Context, channel_id: str, *, report: bool = True) -> str:
    """
    Analyse the channel, then start its recommendations and, for a *report*, its charts.

    Durable afterwards: one analysis for this state of the data; the same data gives the same
    analysis under the same id.

    Returns the id of the analysis.

    Raises:
        NotStoredError: The channel is not in the store.
    """
    store = ctx.get(Services).store
    data = await store.load(channel_id)
    fingerprint, document = await ctx.offload(_analyze, data)
    analysis_id = await store.save_analysis(channel_id, fingerprint, document)
    if report:
        await visualize_data.enqueue(analysis_id=analysis_id)
    await recommend.enqueue(analysis_id=analysis_id)
    return analysis_id


def _analyze(data: ChannelData) -> tuple[str, dict[str, Any]]:
    """Runs in a process of its own, which alone loads the libraries of the mathematics."""
    from jobs.analysis import analyze

    return data.fingerprint, analyze(data).model_dump(mode="json")
