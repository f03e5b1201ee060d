"""Analyse what the store knows of a channel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.notify import tell
from jobs.recommend import recommend
from jobs.services import Services
from jobs.visualize_data import visualize_data
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel_data import ChannelData
    from jobs.notifications.event import Event


@job(queue="analytics")
async def analyze_channel(ctx: Context, channel_id: str, *, report: bool = True) -> str:
    """
    Analyse the channel, then start its recommendations and, for a *report*, its charts.

    Durable afterwards: one analysis for this state of the data; the same data gives the same
    analysis under the same id. People are told what is news in it.

    Returns the id of the analysis.

    Raises:
        NotStoredError: The channel is not in the store.
    """
    services = ctx.get(Services)
    store = services.store
    data = await store.load(channel_id)
    fingerprint, document, events = await ctx.offload(_analyze, data, datetime.now(UTC))
    analysis_id = await store.save_analysis(channel_id, fingerprint, document)
    await tell(services, events)
    if report:
        await visualize_data.enqueue(analysis_id=analysis_id)
    await recommend.enqueue(analysis_id=analysis_id)
    return analysis_id


def _analyze(data: ChannelData, now: datetime) -> tuple[str, dict[str, Any], list[Event]]:
    """Runs in a process of its own, which alone loads the libraries of the mathematics."""
    from jobs.analysis import analyze
    from jobs.notifications.rules import events

    analysis = analyze(data)
    return data.fingerprint, analysis.model_dump(mode="json"), events(analysis, now)
