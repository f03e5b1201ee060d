"""Say what to do next, where the data speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.render_visualization import enqueue_report_when_ready
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel_data import ChannelData
    from jobs.store import StoredRecommendation


@job(queue="recommendations")
async def recommend(ctx: Context, analysis_id: str) -> int:
    """
    Ask the channel's data what to do next.

    Durable afterwards: the recommendations of the analysis, maybe none, each with its evidence;
    an answer for every subject that was looked at, “no evidence” included, and the channels that
    `compare_channels` last found near; and a profile for its next comparison.

    Returns the number of recommendations.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    store = ctx.get(Services).store
    stored = await store.stored_analysis(analysis_id)
    if stored.recommended_at is None:
        data = await store.load(stored.channel_id)
        found, answers, profile = await ctx.offload(_find, data, stored.document)
        if profile is not None:
            await store.save_profile(stored.channel_id, *profile)
            answers["similar"] = await store.similar(stored.channel_id)
        await store.save_recommendations(analysis_id, found, answers)
    await enqueue_report_when_ready(store, analysis_id)
    return len(await store.recommendations(analysis_id))


def _find(
    data: ChannelData, document: dict[str, Any]
) -> tuple[list[StoredRecommendation], dict[str, Any], tuple[str, bytes] | None]:
    """Runs in a process of its own, which alone loads the libraries of the mathematics."""
    from jobs.analysis import ChannelAnalysis
    from jobs.recommendations import advise
    from jobs.recommendations.similar import pack, profile_of
    from jobs.store import StoredRecommendation

    found = advise(data, ChannelAnalysis.model_validate(document))
    profile = profile_of(data)
    recommendations = [
        StoredRecommendation(each.key, each.title, each.advice, each.evidence, each.strength)
        for each in found.recommendations
    ]
    return (
        recommendations,
        {"subjects": found.answers, "similar": None},
        None if profile is None else pack(profile),
    )
