"""
The jobs that a worker holds: from their start until Redis has answered for their outcome.

This takes and frees slots, extends leases, and stops a job that is aborted or that another worker
holds now.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from runner import clock
from runner.broker import keys
from runner.broker.cancel_safe import cancel_all
from runner.worker.held import Ended, Held
from runner.worker.lease import whereabouts
from runner.worker.outcome import Done, Outcome, Released, Retrying, Stop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.options import WorkerOptions
    from runner.worker.attempt import Attempts
    from runner.worker.claim import Claim
    from runner.worker.counts import JobCounts
    from runner.worker.lease import LeaseKeeper
    from runner.worker.life import Life
    from runner.worker.pool import OwnSlots
    from runner.worker.room import Room
    from runner.worker.settle import Settler

_log = structlog.get_logger("runner.worker")

_LOOK_S = 2.0
"""How long the log may wait for what became of a lost job."""


class Slots:
    """
    The jobs that one worker holds.

    places: the slots, its own ones or a share of a pool. room: is told when nothing is held any
    more. tasks: the running tasks by job id. heeds_aborts: whether an abort stops a running job.
    """

    def __init__(
        self,
        options: WorkerOptions,
        redis: Redis,
        *,
        life: Life,
        outage: Outage,
        attempts: Attempts,
        leases: LeaseKeeper,
        settler: Settler,
        counts: JobCounts,
        places: OwnSlots,
        room: Room,
        tasks: dict[str, asyncio.Task[None]],
        heeds_aborts: bool,
        redis_clock: RedisClock,
    ) -> None:
        self._options = options
        self._redis = redis
        self._life = life
        self._outage = outage
        self._attempts = attempts
        self._leases = leases
        self._settler = settler
        self._counts = counts
        self._room = room
        self._tasks = tasks
        self._heeds_aborts = heeds_aborts
        self._clock = redis_clock
        self._loop = asyncio.get_running_loop()
        self.places = places
        places.open(life.changed.set)
        self.held: dict[Held, None] = {}
        """In the order of their starts: what is sent to Redis has an order that can be repeated."""
        self.newest: dict[bytes, Held] = {}
        """The newest claim of each job: a job may run again before its last outcome is settled."""
        self._start_within_s = options.lease_s / 2
        self.freed = 0
        """Slots freed so far."""
        self.afterwards: set[asyncio.Task[None]] = set()
        """What is still to be done for jobs that have ended; a stopping worker waits for it."""

    # ------------------------------------------------------------------ one job

    def start(self, claim: Claim) -> None:
        """Start the job of *claim* in a task of its own, in a free slot."""
        now = clock.monotonic()
        held = Held(claim, self._clock.ms_at(now), now)
        self.held[held] = None
        self.newest[claim.key] = held
        self.places.start()
        held.task = self._tasks[claim.job_id] = asyncio.Task(self._run(held), loop=self._loop)

    @property
    def count(self) -> int:
        """How many jobs the worker runs at a time, at most."""
        return self.places.count

    @property
    def busy(self) -> int:
        """Slots taken: by jobs whose coroutine has neither ended nor been left behind."""
        return self.places.busy

    @property
    def running_count(self) -> int:
        """How many jobs run."""
        return len(self._tasks)

    def running_now(self) -> list[Held]:
        """Return the jobs that run."""
        return [held for held in self.held if held.is_running]

    def continue_under(self, claim: Claim) -> bool:
        """
        Let the attempt that this worker held until *claim* go on under it; False if it must not.

        Only the attempt of the very claim whose lease lapsed may: an older one ended otherwise.
        """
        held = self.newest[claim.key]
        if claim.before and held.claim.token == claim.before and held.why_stopped is not Stop.LOST:
            held.claim.token = claim.token
            return True
        # Somebody else held the job in between.
        self.stop(held, Stop.LOST)
        return False

    async def _run(self, held: Held) -> None:
        """Run one job, and hand in its outcome."""
        outcome: Outcome | None
        try:
            if clock.boot() - held.claim.asked_at > self._start_within_s:
                _log.warning("claim too old to start, given back", job_id=held.claim.job_id)
                outcome = Released()
            else:
                outcome = self._attempts.refusal(held) or await self._attempts.run(held)
        except GeneratorExit as error:
            # It closes all coroutines on its way, whatever they return: only this one is left.
            if self._loop.is_closed():
                raise
            outcome = self._attempts.end_of_closed(held, error)
        except BaseException as error:  # noqa: BLE001 -- an attempt always ends in an outcome
            outcome = self._attempts.end_of_broken(held, error)
        finally:
            self._free_slot_of(held)
            # The task's context refers to *held*: such a ring is left to the garbage collector.
            held.task = None
        self._hand_in(held, outcome)

    def _free_slot_of(self, held: Held) -> None:
        if held.is_left_behind:
            return
        self.places.end(held.started)
        self.freed += 1
        self._life.changed.set()
        if self._tasks.get(held.claim.job_id) is held.task:
            del self._tasks[held.claim.job_id]

    def leave_behind(self, held: Held, outcome: Outcome | None) -> None:
        """Give up a job that ignores its cancellation: *outcome* stands, whatever it still does."""
        name = held.envelope.name if held.envelope else "?"
        _log.error(
            "job ignored its cancellation, and is left behind",
            job_id=held.claim.job_id,
            job=name,
        )
        self._free_slot_of(held)
        self._hand_in(held, outcome)
        held.is_left_behind = True

    def _hand_in(self, held: Held, outcome: Outcome | None) -> None:
        """Settle *outcome*; None: write nothing, the claim was lost."""
        if held not in self.held or held.is_left_behind:
            return
        if outcome is None:
            self._let_go(held)
            self._start_afterwards(held)
            return
        policy = held.policy
        self._settler.put(
            Ended(
                held.claim,
                held.envelope,
                outcome,
                (policy or self._options).keep_result_s,
                held.started_ms,
                held.started_ms + int((clock.monotonic() - held.started) * 1000),
                held,
            )
        )

    def on_settled(self, ended: Ended, kept: bool) -> None:  # noqa: FBT001 -- a callback's answer
        """Let go of a job that Redis has answered for; not *kept*: the claim was lost."""
        self._let_go(ended.held)
        self._life.changed.set()
        if ended.held.afterwards is not None:
            self._start_afterwards(ended.held)
        if not kept:
            self._in_background(self._say_lost("outcome dropped", ended.claim))
            return
        self._counts.count(ended)
        if type(ended.outcome) is not Done and isinstance(ended.outcome, Retrying | Released):
            self._life.rest.end_within(ended.outcome.delay_s)

    def _let_go(self, held: Held) -> None:
        self.held.pop(held, None)
        if self.newest.get(held.claim.key) is held:
            del self.newest[held.claim.key]
        if not self.held:
            self._room.emptied()

    def _start_afterwards(self, held: Held) -> None:
        """Start arq's `after_job_end`; a stopping worker waits for it."""
        if held.afterwards is not None:
            self._in_background(held.afterwards())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self.afterwards.add(task)
        task.add_done_callback(self.afterwards.discard)

    async def _say_lost(self, event: str, claim: Claim) -> None:
        """Log that *claim* is lost, and what Redis knows of its job now."""
        queue_key = keys.of(self._redis).queue_key(self._options.queue)
        try:
            async with asyncio.timeout(_LOOK_S):
                why = await whereabouts(self._redis, queue_key, claim)
        except (RedisError, OSError):
            why = "its lease had ended"
        _log.warning(f"{event}: {why}", job_id=claim.job_id)

    def stop(self, held: Held, why: Stop) -> bool:
        """Cancel the job; False if it has ended, or is being cancelled already."""
        if held.task is None or held.task.done() or held.why_stopped is not None:
            return False
        held.why_stopped = why
        held.task.cancel()
        return True

    async def close(self) -> None:
        """End what is still to be done for jobs that have ended: the worker ends by an error."""
        await cancel_all(self.afterwards)

    # ------------------------------------------------------------------ leases

    async def keep_leases(self) -> None:
        """Extend the leases of all held jobs, well before they end, until cancelled."""
        pause_s = min(self._options.heartbeat_s, self._options.lease_s / 3)
        while True:
            await asyncio.sleep(pause_s)
            self._leave_stubborn_behind()
            await self.renew()

    def _leave_stubborn_behind(self) -> None:
        """Free the slots of jobs that ignore a timeout, an abort or the loss of their claim."""
        now = self._loop.time()
        for held in list(self.held):
            if not held.is_running or held.task is None or not held.task.cancelling():
                held.cancelled_at = None
            elif held.cancelled_at is None:
                held.cancelled_at = now
            elif (
                now - held.cancelled_at > self._options.cancel_wait_s
                and self._attempts.is_overdue(held)
            ):
                self.leave_behind(held, self._attempts.end_of_stubborn(held))

    async def watch_for_aborts(self) -> None:
        """Renew early once there are aborts: asking for their key is cheaper than renewing."""
        while True:
            await asyncio.sleep(self._options.abort_check_s)
            if self.busy and await self._outage.call(
                lambda: self._redis.exists(keys.of(self._redis).abort)
            ):
                await self.renew()

    async def renew(self) -> None:
        """Extend the leases of all held jobs; stop those that are lost or aborted."""
        held = {key: one for key, one in self.newest.items() if one.why_stopped is not Stop.LOST}
        if not held:
            return
        renewal = await self._leases.renew([one.claim for one in held.values()])
        for key in renewal.lost:
            # A job that was settled while the call was under way is not lost.
            if self.stop(held[key], Stop.LOST):
                self._in_background(self._say_lost("claim lost", held[key].claim))
        for key in renewal.aborted if self._heeds_aborts else ():
            self.stop(held[key], Stop.ABORT)
        if lost := [held[key].claim for key in renewal.lost if held[key] in self.held]:
            await self._leases.outlive(lost)
