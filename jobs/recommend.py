"""Recommend what to do next, where the data supports it."""

from __future__ import annotations

from jobs.apart import COMPUTING
from jobs.computing import advised
from jobs.services import Services
from runner import Context, job


@job(queue="recommendations")
async def recommend(ctx: Context, analysis_id: str) -> int:
    """
    Find in the channel's data what to do next.

    Durable afterwards: the recommendations of the analysis, maybe none, each with its evidence;
    an answer for every subject examined, “no evidence” included, and the channels that
    `compare_channels` last found similar; and a profile for the next comparison.

    Returns the number of recommendations.

    Raises:
        NotStoredError: The analysis, or its channel, is not in the store.
    """
    from jobs.store import StoredRecommendation

    store = ctx.get(Services).store
    asked = await store.analyses.to_recommend(analysis_id)
    if asked is None:
        return len(await store.analyses.recommendations(analysis_id))
    found, answers, profile = await ctx.offload(
        advised, asked.columns, asked.document, limits=COMPUTING
    )
    recommendations = [StoredRecommendation(**one) for one in found]
    await store.analyses.save_recommendations(analysis_id, recommendations, answers, profile)
    return len(recommendations)
