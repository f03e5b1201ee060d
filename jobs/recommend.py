"""Say what to do next, where the data speaks for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.render_visualization import enqueue_report, enqueue_report_when_ready
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel_columns import ChannelColumns
    from jobs.json_text import JsonText


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
    from jobs.store import StoredRecommendation

    store = ctx.get(Services).store
    asked = await store.to_recommend(analysis_id)
    if asked is None:
        await enqueue_report_when_ready(store, analysis_id)
        return len(await store.recommendations(analysis_id))
    found, answers, profile = await ctx.offload(_find, asked.columns, asked.document)
    recommendations = [StoredRecommendation(**one) for one in found]
    if await store.save_recommendations(analysis_id, recommendations, answers, profile):
        await enqueue_report(analysis_id)
    return len(recommendations)


def _find(
    told: ChannelColumns, document: JsonText
) -> tuple[list[dict[str, Any]], dict[str, Any], tuple[str, bytes] | None]:
    """Runs in a process of its own, which alone loads the libraries of the mathematics."""
    from jobs.analysis import ChannelAnalysis
    from jobs.channel_frames import as_data
    from jobs.recommendations import advise, nothing_asked
    from jobs.recommendations.similar import pack, profile_of

    if not told.items:
        return [], {"subjects": nothing_asked(told.channel.platform).answers, "similar": None}, None
    data = as_data(told)
    found = advise(data, ChannelAnalysis.model_validate_json(document))
    profile = profile_of(data)
    return (
        [asdict(each) for each in found.recommendations],
        {"subjects": found.answers, "similar": None},
        None if profile is None else pack(profile),
    )
