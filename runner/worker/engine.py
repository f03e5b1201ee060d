"""
The engine of a worker: the one place that knows the order of the stages.

    claim → (middleware → execute) → settle

The engine
1. claims as many due jobs as it has free slots, and ahead of them while jobs end fast (`fetch`);
2. runs each in a task of its own, extends the leases of all that it holds, and stops what it has
   lost to another worker (`slots`);
3. settles outcomes as they come, in batches; an outcome counts once Redis has answered;
4. while idle, blocks on the wake list until a job is enqueued or the next one comes due;
5. waits while Redis is away, and goes on when it is back;
6. when asked to stop, claims no more, lets running jobs finish within the grace time, and gives the
   rest back; asked again, gives them back at once (`shutdown`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from runner import machine
from runner.broker.cancel_safe import cancel_all
from runner.broker.script_connection import StageConnection
from runner.worker.claim import Claimer
from runner.worker.fetch import Burst, Fetcher
from runner.worker.heartbeat import Heartbeat
from runner.worker.held import held_by
from runner.worker.lease import LeaseKeeper
from runner.worker.parked import ParkedHere
from runner.worker.pool import OwnSlots, Share
from runner.worker.prefetch import Prefetched
from runner.worker.room import Room
from runner.worker.settle import Settler
from runner.worker.shutdown import Shutdown
from runner.worker.slots import Slots
from runner.worker.watchdog import Watched, watching

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Coroutine
    from typing import Any

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.options import WorkerOptions
    from runner.worker.attempt import Attempts
    from runner.worker.counts import JobCounts
    from runner.worker.life import Life
    from runner.worker.results import ResultWriter

_LAST_ANSWER_S = 1.0
"""How long a stop waits for Redis to answer a claim."""


@dataclass(frozen=True, slots=True)
class Setup:
    """
    What one engine works with.

    worker_id: unique in the fleet. health_key: where `arq --check` looks. burst: None for a worker
    that stays. share: its part in a pool of slots; None: it has slots of its own. heeds_aborts:
    whether an abort stops a running job. write_plain: writes the results of plain arq functions.
    tasks: the running tasks by job id, kept up to date for arq's users. on_beat: called with the
    line that `arq --check` reads. on_waited: called when a stopping worker has waited for its
    running jobs.
    """

    worker_id: str
    queue_key: str
    health_key: str
    burst: Burst | None = None
    share: Share | None = None
    heeds_aborts: bool = True
    write_plain: ResultWriter | None = None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    on_beat: Callable[[str], None] = lambda _line: None
    on_waited: Callable[[], None] = lambda: None


class Engine:
    """One worker's stages, opened and closed together. Create it in the loop that it runs in."""

    def __init__(
        self,
        options: WorkerOptions,
        redis: Redis,
        setup: Setup,
        *,
        life: Life,
        outage: Outage,
        counts: JobCounts,
        attempts: Attempts,
        redis_clock: RedisClock,
    ) -> None:
        self._options = options
        self._redis = redis
        self._setup = setup
        self._life = life
        self._outage = outage
        self._counts = counts
        self._attempts = attempts
        self._clock = redis_clock
        self._loop = asyncio.get_running_loop()
        queue_key, lease_s = setup.queue_key, options.lease_s
        self.claimer = Claimer(
            redis,
            queue_key,
            worker_id=setup.worker_id,
            lease_s=lease_s,
            outage=outage,
            stopping=life.stopping,
            redis_clock=redis_clock,
            parked=ParkedHere(redis, queue_key, attempts.knows, attempts.note_paused),
        )
        self.wake = StageConnection(redis, blocks=True)
        self.prefetched = Prefetched(self.claimer.tell_started, lease_s=lease_s)
        self.settler = Settler(
            redis,
            queue_key,
            outage=outage,
            write_plain=setup.write_plain,
            max_result_bytes=options.max_result_bytes,
            keep_done=options.keep_done,
        )
        self.leases = LeaseKeeper(
            redis, queue_key, worker_id=setup.worker_id, lease_s=lease_s, outage=outage
        )
        self.room = Room.here()
        self.slots = self._make_slots()
        self.settler.on_settled = self.slots.on_settled
        self.fetcher = self._make_fetcher()
        self.heartbeat = self._make_heartbeat()

    def _make_slots(self) -> Slots:
        return Slots(
            self._options,
            self._redis,
            life=self._life,
            outage=self._outage,
            attempts=self._attempts,
            leases=self.leases,
            settler=self.settler,
            counts=self._counts,
            places=self._setup.share or OwnSlots(self._options.concurrency),
            room=self.room,
            tasks=self._setup.tasks,
            heeds_aborts=self._setup.heeds_aborts,
            redis_clock=self._clock,
        )

    def _make_fetcher(self) -> Fetcher:
        return Fetcher(
            self._redis,
            self._setup.queue_key,
            life=self._life,
            outage=self._outage,
            claimer=self.claimer,
            wake=self.wake,
            prefetched=self.prefetched,
            slots=self.slots,
            settler=self.settler,
            counts=self._counts,
            room=self.room,
            options=self._options,
            burst=self._setup.burst,
            redis_clock=self._clock,
        )

    def _make_heartbeat(self) -> Heartbeat:
        return Heartbeat(
            self._options,
            self._redis,
            self._setup.queue_key,
            worker_id=self._setup.worker_id,
            names=self._attempts.names,
            health_key=self._setup.health_key,
            life=self._life,
            outage=self._outage,
            slots=self.slots,
            counts=self._counts,
            on_beat=self._setup.on_beat,
            redis_clock=self._clock,
        )

    def _make_shutdown(self) -> Shutdown:
        return Shutdown(
            self._options,
            life=self._life,
            slots=self.slots,
            fetcher=self.fetcher,
            settler=self.settler,
            claimer=self.claimer,
            is_burst=self._setup.burst is not None,
            on_waited=self._setup.on_waited,
        )

    async def open(self, exits: contextlib.AsyncExitStack) -> None:
        """Register the worker and watch its loop; *exits* undoes both, last first."""
        for stage in (self.claimer, self.wake, self.settler, self.leases):
            exits.push_async_callback(stage.close)
        exits.push_async_callback(self.slots.close)
        exits.push_async_callback(self._attempts.close)
        self.room.enter(self._life, self.slots.held)
        exits.callback(self.room.leave, self._life)
        exits.push_async_callback(self.heartbeat.leave)
        await self.heartbeat.arrive()
        if machine.this().has_threads:
            exits.enter_context(watching(self._loop, self._watched()))

    async def run(self, *beside: Coroutine[Any, Any, None]) -> None:
        """Run jobs until asked to stop or, in a burst, until none are left; *beside* runs too."""
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(part)
                for part in (
                    self.settler.run(),
                    self.slots.keep_leases(),
                    self.slots.watch_for_aborts(),
                    self.heartbeat.run(),
                    *beside,
                )
            ]
            try:
                await self.until_stopped(self.fetcher.run())
                await self._make_shutdown().run()
            except asyncio.CancelledError:
                # The task that runs the worker is cancelled: give back what the worker holds first.
                # This needs a task of its own: in a cancelled one, early releases of Python 3.11
                # end each timeout with CancelledError.
                self._life.stop(at_once=True)
                await self._loop.create_task(self._make_shutdown().run())
                raise
            finally:
                await cancel_all(parts)

    async def until_stopped(self, part: Coroutine[Any, Any, None]) -> None:
        """
        Run *part*; cut it off soon after a stop, since it may wait for a Redis that hangs.

        That Redis does not answer is no error, then: what runs is still to be brought to its end.
        """
        doing = self._loop.create_task(part)
        stopping = self._loop.create_task(self._life.stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # Redis may have made a claim that is cut off here: `give_back_unanswered` undoes it.
            await asyncio.wait({doing}, timeout=_LAST_ANSWER_S)
        finally:
            await cancel_all((doing, stopping))
        if not doing.cancelled():
            error = doing.exception()
            is_away = isinstance(error, RedisError | OSError) and self._life.stopping.is_set()
            if error is not None and not is_away:
                raise error

    def _watched(self) -> Watched:
        return Watched(
            warn_s=self._options.blocked_warn_s,
            limit_s=self._options.blocked_limit_s,
            describe=self._describe_blocker,
            give_up=self.give_up,
        )

    def _describe_blocker(self, task: asyncio.Task[object] | None) -> dict[str, str]:
        """Return which job of this worker blocks the loop; called in the watchdog's thread."""
        held = held_by(task)
        if held is None or held.envelope is None or held not in self.slots.held:
            return {}
        return {"job": held.envelope.name, "job_id": held.claim.job_id}

    def give_up(self, task: asyncio.Task[object] | None) -> int:
        """Give back all but the job of *task*, which counts a crash; for the watchdog's thread."""
        blocker = held_by(task)
        return self.settler.settle_from_outside(
            [held for held in list(self.slots.held) if held is not blocker],
            self.prefetched.claims,
        )
