"""Enqueue the syncs of channels that are due."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.services import Services
from jobs.sync_channel import sync_channel
from runner import Context, job
from runner.lazy_log import lazy_log

if TYPE_CHECKING:
    from jobs.store import ChannelSchedule
    from runner import JobHandle

_log = lazy_log("jobs.sync_due_channels")

_AHEAD = timedelta(minutes=1)

_MOST_AT_ONCE = 1_000
"""For each minute: a million and a half a day, and no flood after a day without workers."""


@job(queue="default")
async def sync_due_channels(ctx: Context) -> int:
    """
    Enqueue one sync for each channel that is due within a minute, the longest overdue first.

    The poller runs it every minute; each sync waits in the queue for its own time, so they do not
    all start with the minute. A channel of which a sync waits or runs gets no second one. If this
    job dies halfway, the rest stays due. A sync that reads something new renews the channel's
    report.

    Returns how many were enqueued; none while the database cannot be used.
    """
    from jobs.store import StoreError

    try:
        return await _enqueue_due(ctx.get(Services))
    except StoreError as error:
        # The next minute tries again: nobody needs a dead job for each minute of an outage.
        _log.warning("due channels cannot be looked up", reason=str(error))
        return 0


async def _enqueue_due(services: Services) -> int:
    now = datetime.now(UTC)
    due = await services.store.schedules.due(now + _AHEAD, _MOST_AT_ONCE)
    handles = await asyncio.gather(*(_enqueue(one, now) for one in due))
    # This time holds if the sync never runs; a sync that has run has set a better one.
    await services.store.schedules.advance(
        [
            (one, services.pace.next_at(max(now, one.due_at), one.interval_s, 0, random.random()))  # noqa: S311
            for one in due
        ]
    )
    return sum(handle.created for handle in handles)


async def _enqueue(due: ChannelSchedule, now: datetime) -> JobHandle[dict[str, int]]:
    sync = sync_channel.options(at=max(now, due.due_at))
    return await sync.enqueue(channel_id=due.channel_id, report=None)
