"""Read a channel's sources and store what they say."""

from __future__ import annotations

from jobs.run_analytics import run_analytics
from jobs.services import Services
from runner import Bury, Context, job


@job(queue="default")
async def sync_channel(ctx: Context, channel_id: str) -> dict[str, int]:
    """
    Bring the store up to date with all sources of the channel, then start its analysis.

    Durable afterwards: every item and snapshot that the sources tell, in one transaction; the
    same again changes nothing. Counters are stored as they were read.

    Returns how many items and snapshots were new, and how many were known.

    Raises:
        SourceError: A source cannot be read now; a server may answer later, so it is retried.
        Bury: A source cannot be read and will not be readable by waiting.
    """
    from jobs.sources.source import SourceError

    services = ctx.get(Services)
    readings = []
    try:
        for ref in await services.store.sources_of(channel_id):
            source = await services.open_source(ref.location, ref.kind)
            readings.append(source.read(channel_id))
    except SourceError as error:
        if error.transient:
            raise
        raise Bury(str(error)) from error
    if not readings:
        raise Bury(f"{channel_id}: the channel has no source; register one with it first")
    counts = await services.store.save_readings(readings)
    await run_analytics.enqueue(channel_id=channel_id)
    return {
        "items_new": counts.items_new,
        "items_known": counts.items_known,
        "snapshots_new": counts.snapshots_new,
        "snapshots_known": counts.snapshots_known,
    }
