"""Enqueue the syncs of channels that came due."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.services import Services
from jobs.sync_channel import sync_channel
from runner import Context, job

if TYPE_CHECKING:
    from jobs.store import ChannelSchedule

_MOST_AT_ONCE = 1_000
"""A minute's share: a million and a half a day, and no flood after a day without workers."""


@job(queue="default")
async def sync_due_channels(ctx: Context) -> int:
    """
    Enqueue one sync for each scheduled channel that is due, the longest overdue first.

    The poller runs it every minute. A channel has one sync of its schedule pending at most, and
    one dead in its way for a day at most: its id is the channel's and the day's. Dying halfway
    leaves the rest due. Reports are made when they are asked for.

    Returns how many were enqueued.
    """
    services = ctx.get(Services)
    now = datetime.now(UTC)
    due = await services.store.due_schedules(now, _MOST_AT_ONCE)
    handles = await asyncio.gather(
        *(
            sync_channel.options(job_id=f"sync:{one.channel_id}:{now:%Y-%m-%d}").enqueue(
                channel_id=one.channel_id, report=False
            )
            for one in due
        )
    )

    def next_one(schedule: ChannelSchedule) -> ChannelSchedule:
        """The sync itself will know better; this holds should it never run."""
        due_at = services.pace.next_at(now, schedule.interval_s, 0, random.random())  # noqa: S311
        return replace(schedule, due_at=due_at)

    await services.store.reschedule([next_one(schedule) for schedule in due])
    return sum(handle.created for handle in handles)
