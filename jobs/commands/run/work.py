"""One run over a set of channels: register, enqueue, follow to the end, collect what died."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs import run_analytics, sync_channel
from jobs.commands.run.first import ReadFirst, to_read_first
from jobs.commands.run.progress import Follower
from jobs.commands.run.reports import Reports
from jobs.recommendations.fewest import FEWEST_CHANNELS
from jobs.services import Services
from jobs.store import StoreLostError
from runner import Batch, BatchProgress, QueueProgress
from runner.admin import Admin
from runner.broker.announced import announce
from runner.current import use
from runner.periodic.gauges import queue_gauges
from runner.worker.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from jobs.commands.host import Workplace
    from jobs.commands.run.progress import Display, RunProgress
    from jobs.commands.run.source_list import FoundChannel
    from runner import Fleet, JobHandle

_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job of the run that died, and why."""

    queue: str
    job: str
    job_id: str
    channel_id: str
    error: str


@dataclass(slots=True)
class ChannelRun:
    """
    One run over *channels*, by id, in this process.

    tell: shows a person one line. reports: whether charts and reports are made. timeout_s: the
    run is stopped after so long.
    """

    place: Workplace
    queues: Sequence[str]
    channels: Mapping[str, FoundChannel]
    tell: Callable[[str], None]
    reports: bool = True
    timeout_s: float | None = None
    interrupted: bool = False
    timed_out: bool = False
    lost: str = ""
    """Why what the run had written is gone, if it is."""
    channels_done: int = 0
    by_channel: dict[str, BatchProgress] = field(default_factory=dict)
    dead_jobs: list[DeadJob] = field(default_factory=list)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def go(self, display: Display, name: str | None = None) -> None:
        """
        Work until every job of the run has ended, or a signal or the timeout stops it.

        name: what a person calls the channels.

        Durable afterwards: what the jobs wrote. Unfinished jobs stay in Redis, and the next run
        continues with them.
        """
        store = self.place.get(Services).store
        await store.channels.register_all(
            [(found.record, found.refs) for found in self.channels.values()]
        )
        for channel_id in self.channels if name is not None else ():
            await store.channels.rename(channel_id, str(name))
        self.by_channel = {channel_id: BatchProgress() for channel_id in self.channels}
        fleet = self.place.fleet(self.queues)
        # Outside the fleet: a second signal may come while it shuts down.
        with self._stopped_by_signals(fleet), self._stopped_in_time():
            async with Guard() as guard, fleet.guarded(guard), fleet.running():
                await self._work(display)

    async def _work(self, display: Display) -> None:
        redis = self.place.redis
        use(redis)
        seconds, _ = await redis.time()
        # Its workers start beside this, and a first enqueue would say that there are none.
        await announce(redis, self.queues, now_ms=seconds * 1000)
        first = ReadFirst(redis, to_read_first(self.channels))
        if first.channels and not await self._read_first(first, display):
            return
        batches = {one: Batch() for one in self.channels if one not in first.died}
        known = set(first.channels)
        # Concurrently, so that they share round trips to Redis.
        handles = await asyncio.gather(
            *(self._enqueue(one, batch, is_read=one in known) for one, batch in batches.items())
        )
        firsts = dict(zip(batches, handles, strict=True))
        then = await self._reports(batches, firsts) if self.reports else None
        follower = Follower(redis, batches, first.queues, len(first.died), then)
        if not await self._followed(follower.follow(self._stop), display, follower):
            return
        if self.place.redis_is_private:
            await self._finish_former_runs()
        self.by_channel |= follower.by_channel()
        for channel_id, (queue, job_id) in first.died.items():
            self.by_channel[channel_id] = BatchProgress({queue: QueueProgress(total=1, dead=1)})
            await self._note(channel_id, queue, job_id)
        for batch, (channel_id, progress) in follower.by_batch.items():
            for queue, job_id in await batch.dead_jobs(redis) if progress.dead else ():
                await self._note(channel_id, queue, job_id)

    async def _reports(
        self, batches: Mapping[str, Batch], firsts: Mapping[str, JobHandle[Any]]
    ) -> Reports:
        known = await self.place.get(Services).store.channels.all()
        compares = len(known) >= FEWEST_CHANNELS
        return Reports(self.place, self.queues, batches, firsts, compares, self.tell, self._stop)

    async def _read_first(self, first: ReadFirst, display: Display) -> bool:
        """Read some, and measure by them; False if the run ends there."""
        if not await self._followed(first.work(len(self.channels), self._stop), display, first):
            return False
        if first.problem:
            self.tell(f"The platform's own days were not measured: {first.problem}")
        return not self._stop.is_set()

    async def _followed(
        self, steps: AsyncIterator[RunProgress], display: Display, of: Follower | ReadFirst
    ) -> bool:
        """Show *steps* until they end; False if the run was stopped, or what it had is lost."""
        try:
            async for progress in steps:
                display.show(progress)
                self.channels_done = progress.channels_done
                await self.place.get(Services).store.ping()
        except StoreLostError as error:
            self.lost = str(error)
            return False
        if of.is_lost:
            self.lost = "Redis no longer has the jobs of this run: was it flushed? Run again"
        return not of.is_lost

    async def _enqueue(self, channel_id: str, batch: Batch, *, is_read: bool) -> JobHandle[Any]:
        with batch.joined():
            if is_read:
                return await run_analytics.enqueue(channel_id=channel_id, report=False)
            # Ours, whatever else waits: another call could take a unique one out of our batch.
            sync = sync_channel.options(unique=False)
            return await sync.enqueue(channel_id=channel_id, report=False)

    async def _finish_former_runs(self) -> None:
        """An interrupted run has left jobs in our queues that are not in our batches."""
        while not self._stop.is_set():
            gauges = [await queue_gauges(self.place.redis, queue) for queue in self.queues]
            if not any(one.ready + one.running + one.retrying for one in gauges):
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _note(self, channel_id: str, queue: str, job_id: str) -> None:
        dead = await Admin(self.place.redis).dead_job(queue, job_id)
        error = " ".join(f"{dead.error}: {dead.message}".split())
        self.dead_jobs.append(DeadJob(queue, dead.name or "?", job_id, channel_id, error))

    @contextlib.contextmanager
    def _stopped_by_signals(self, fleet: Fleet) -> Iterator[None]:
        """The first signal ends the run gracefully, a second one at once."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self.interrupted:
                fleet.stop(at_once=True)
                return
            self.interrupted = True
            self._stop.set()
            self.tell("Stopping: running jobs may finish; Ctrl-C again stops at once")

        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    @contextlib.contextmanager
    def _stopped_in_time(self) -> Iterator[None]:
        def stop() -> None:
            self.timed_out = True
            self._stop.set()

        timer = None
        if self.timeout_s is not None:
            timer = asyncio.get_running_loop().call_later(self.timeout_s, stop)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
