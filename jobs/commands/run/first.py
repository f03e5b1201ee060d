"""
The first step of a run of many channels: read some, and measure the platform's own days by them.

So the first analysis of every channel knows the days on which counters were late everywhere. Only
files of daily counters tell such days at once, and they never let the others wait for a server.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jobs import measure_platform_days, sync_channel
from jobs.channel.platform_day import FEWEST_CHANNELS
from jobs.commands.run.progress import Follower
from runner import Batch, JobHandle
from runner.admin import Admin
from runner.broker.cancel_safe import cancel_all
from runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

    from jobs.channel.records import Platform
    from jobs.commands.run.progress import RunProgress
    from jobs.commands.run.source_list import FoundChannel
    from runner import QueueProgress

MOST = 250
"""So many channels of a platform tell its days; the others are read while these are analysed."""


def to_read_first(channels: Mapping[str, FoundChannel]) -> list[str]:
    """Return the channels to measure by: none of a platform of which there are too few."""
    by_platform: dict[Platform, list[str]] = {}
    for channel_id, found in channels.items():
        if found.has_days:
            by_platform.setdefault(found.record.platform, []).append(channel_id)
    enough = (ids for ids in by_platform.values() if len(ids) >= FEWEST_CHANNELS)
    return [channel_id for ids in enough for channel_id in ids[:MOST]]


@dataclass(slots=True)
class ReadFirst:
    """
    Syncs *channels* without analysing them; the end of their batch enqueues the measurement.

    *died* has the channels whose sync died, with queue and id of the job. *problem* says why the
    days could not be measured.
    """

    redis: Redis
    channels: list[str]
    died: dict[str, tuple[str, str]] = field(default_factory=dict)
    queues: Mapping[str, QueueProgress] = field(default_factory=dict)
    is_lost: bool = False
    problem: str = ""

    async def work(self, of: int, stop: asyncio.Event) -> AsyncIterator[RunProgress]:
        """Yield the progress, as of a run of *of* channels, until it is done or *stop* is set."""
        batch = Batch("read first", complete=measure_platform_days.call())
        async with batch:
            await sync_channel.options(unique=False).enqueue_many(
                [{"channel_id": one, "analyze": False} for one in self.channels]
            )
        follower = Follower(self.redis, {"": batch})
        async for progress in follower.follow(stop):
            self.queues = progress.queues
            yield replace(progress, channels=of, channels_done=0)
        self.is_lost = follower.is_lost
        if self.is_lost or stop.is_set():
            return
        measured = JobHandle[int](f"{batch.id}:complete", measure_platform_days.queue)
        self.problem = await until_done(measured, stop)
        for queue, job_id in await batch.dead_jobs(self.redis):
            dead = await Admin(self.redis).dead_job(queue, job_id)
            self.died[str(dead.kwargs.get("channel_id"))] = (queue, job_id)


async def until_done(handle: JobHandle[int], stop: asyncio.Event) -> str:
    """Wait until the job has ended or *stop* is set; return why it failed, or nothing."""
    ended, stopped = asyncio.create_task(handle.result()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await ended
    except RunnerError as error:
        return str(error)
    finally:
        await cancel_all([ended, stopped])
    return ""
