"""Read a channel's sources and store what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from jobs.run_analytics import run_analytics
from jobs.services import Services
from runner import Bury, Context, job

if TYPE_CHECKING:
    from jobs.records import ChannelReading

_log = structlog.get_logger("jobs.sync_channel")


@job(queue="default")
async def sync_channel(ctx: Context, channel_id: str, *, report: bool = True) -> dict[str, int]:
    """
    Bring the store up to date with all sources of the channel, then start its analysis.

    Durable afterwards: every item and snapshot that the sources tell, in one transaction; the
    same again changes nothing. Counters are stored as they were read.

    Without *report* no chart is drawn and no report made: they can be asked for at any time.

    Returns how many items and snapshots were new, and how many were known.

    Raises:
        SourceError: A source cannot be read now; a server may answer later, so it is retried.
        Bury: No source can be read, and none will be by waiting.
    """
    services = ctx.get(Services)
    readings = await _read_sources(services, channel_id)
    counts = await services.store.save_readings(readings)
    await run_analytics.enqueue(channel_id=channel_id, report=report)
    return {
        "items_new": counts.items_new,
        "items_known": counts.items_known,
        "snapshots_new": counts.snapshots_new,
        "snapshots_known": counts.snapshots_known,
    }


async def _read_sources(services: Services, channel_id: str) -> list[ChannelReading]:
    """
    What every source of the channel says; one that is gone for good does not stop the others.

    What a file told before it was deleted stands in the store already.
    """
    from jobs.sources.source import SourceError

    readings, refused = [], []
    for ref in await services.store.sources_of(channel_id):
        try:
            source = await services.open_source(ref.location, ref.kind)
            readings.append(source.read(channel_id))
        except SourceError as error:
            if error.transient:
                raise
            _log.warning("source skipped", channel_id=channel_id, reason=str(error))
            refused.append(str(error))
    if not readings:
        reason = "; ".join(refused) or "the channel has no source; register one with it first"
        raise Bury(f"{channel_id}: {reason}")
    return readings
