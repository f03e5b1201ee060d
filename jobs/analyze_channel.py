"""Analyse what the store knows about a channel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.apart import COMPUTING
from jobs.notify import announce
from jobs.recommend import recommend
from jobs.services import Services
from jobs.visualize_data import visualize_data
from runner import Context, job

if TYPE_CHECKING:
    from jobs.channel.columns import ChannelColumns
    from jobs.json_text import JsonText
    from jobs.notifications.event import Event

    Analysed = tuple[str, JsonText, list[Event], dict[str, Any] | None]


@job(queue="analytics")
async def analyze_channel(ctx: Context, channel_id: str, *, report: bool = True) -> str:
    """
    Analyse the channel, then start its recommendations and, for a *report*, its charts.

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
        _analyze, columns, datetime.now(UTC), limits=COMPUTING
    )
    analysis_id = await store.analyses.save(channel_id, fingerprint, document, answers)
    await announce(services, events)
    if report:
        await visualize_data.enqueue(analysis_id=analysis_id)
    if answers is None:
        await recommend.enqueue(analysis_id=analysis_id)
    return analysis_id


def _analyze(columns: ChannelColumns, now: datetime) -> Analysed:
    """Runs in a process of its own, so that only this process loads the numeric libraries."""
    from jobs.analysis import analyze
    from jobs.channel.frames import as_data
    from jobs.json_text import JsonText, to_json
    from jobs.notifications.rules import events
    from jobs.recommendations import nothing_asked

    analysis = analyze(as_data(columns))
    document = JsonText(to_json(analysis.model_dump(mode="json")))
    answers = None
    if not columns.items:
        answers = {"subjects": nothing_asked(analysis.platform).answers, "similar": None}
    return analysis.fingerprint, document, events(analysis, now), answers


def load_libraries() -> None:
    """Import what reading a source and `_analyze` need, in a process that is not called yet."""
    import jobs.analysis
    import jobs.channel.frames
    import jobs.json_text
    import jobs.notifications.rules
    import jobs.recommendations
    import jobs.sources.discover  # noqa: F401 -- for their being imported
