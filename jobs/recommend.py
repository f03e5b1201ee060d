"""Say what to do next, where the data speaks for it."""

from __future__ import annotations

import asyncio

from jobs.notify import notify
from jobs.render_visualization import enqueue_report_when_ready
from jobs.services import Services
from runner import Context, job


@job(queue="recommendations")
async def recommend(ctx: Context, analysis_id: str) -> int:
    """
    Ask the channel's data what to do next, and have people told.

    Durable afterwards: the recommendations of the analysis, maybe none, each with its evidence;
    and one notification for the analysis.

    Returns the number of recommendations.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    from jobs.analysis import ChannelAnalysis
    from jobs.recommendations import recommend as find_recommendations
    from jobs.store import NotStoredError, StoredRecommendation

    store = ctx.get(Services).store
    stored = await store.analysis(analysis_id)
    if stored is None:
        raise NotStoredError(f"analysis {analysis_id}", "it is not in the store")
    if stored.recommended_at is None:
        data = await store.load(stored.channel_id)
        analysis = ChannelAnalysis.model_validate(stored.document)
        found = await asyncio.to_thread(find_recommendations, data, analysis)
        await store.save_recommendations(
            analysis_id,
            [StoredRecommendation(r.key, r.title, r.advice, r.evidence, r.strength) for r in found],
        )
    advice = await store.recommendations(analysis_id)
    channel = await store.channel(stored.channel_id)
    title = channel.title if channel else stored.channel_id
    key = f"recommendations:{analysis_id}"
    await store.record_notification(
        key,
        stored.channel_id,
        "recommendations",
        f"{title}: {_how_many(len(advice))}",
        "\n".join(f"{one.title}. {one.advice}" for one in advice)
        or "No recommendation has enough evidence yet.",
    )
    await notify.enqueue(key=key)
    await enqueue_report_when_ready(store, analysis_id)
    return len(advice)


def _how_many(count: int) -> str:
    return {0: "no recommendation", 1: "one recommendation"}.get(count, f"{count} recommendations")
