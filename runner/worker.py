"""
The loop: the one place that knows the order of the stages.

    claim → (middleware → execute) → settle

A worker
1. claims as many due jobs as it has free slots, and starts each in a task of its own;
2. settles outcomes as they come, in batches; only what Redis has answered for is settled;
3. extends the leases of all that it holds, and stops what it no longer holds;
4. while idle, blocks on the wake list until a job is enqueued or the next one comes due;
5. enqueues cron jobs at their times, once in the fleet;
6. waits while Redis is away, and goes on when it is back;
7. on SIGTERM claims no more, lets running jobs finish within the grace time, and gives the
   rest back; on a second signal gives them back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import arq.constants
import arq.worker
import structlog
from redis.exceptions import RedisError

from runner import arq_log, connection, keys
from runner.arq_serializer import body_reader, result_writer
from runner.attempt import Attempts, Held, held_by
from runner.claim import Claim, Claimer
from runner.cron import CronClock, IntervalCron
from runner.durability import warn_of_risks
from runner.enqueue import Enqueuer
from runner.event_loop import loop_for_arq, new_event_loop
from runner.execute import Stop
from runner.instruments import Instruments
from runner.lease import LeaseKeeper
from runner.options import WorkerOptions
from runner.outage import Patience, is_passing
from runner.outcome import Done, Outcome, Released, Retrying
from runner.presence import Presence, take_back_health
from runner.registered import JobFunction
from runner.settle import Ended, Settler
from runner.tally import Tally
from runner.watchdog import Watched, watching

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

_log = structlog.get_logger("runner.worker")

_BURST_HORIZON_S = 15.0
"""A burst waits for jobs that come due this soon: a first retry does, after 10 seconds."""

_OFFER_WITHIN_S = 1.0
"""Redis away: the jobs are cancelled all the same."""

_LAST_ANSWER_S = 1.0
"""A stop waits for so long for Redis to answer a claim."""

_LONGEST_BLOCK_S = 5.0
"""Well below the time after which a client gives an answer up."""

_SHORTEST_BLOCK_S = 0.002
"""Redis 6.2 cuts a timeout down to whole milliseconds, and none at all would be for ever."""

_AFTER_LOSS_S = 0.5
_CANCEL_AGAIN_S = 0.2

_MOST_CLAIMED_AT_ONCE = 500

_UNSETTLED_PER_SLOT = 4
"""Outcomes that may wait for Redis, for each slot, before no further job is claimed."""


class Worker(arq.worker.Worker):
    """
    arq's worker, with our engine in place of its loop.

    Takes arq's options, and `runner` for those of ours. Jobs made by `@job` get retries and the
    dead set; plain arq functions keep arq's semantics. Both run through the middleware.
    """

    def __init__(
        self,
        functions: Sequence[Any] = (),
        *,
        runner: WorkerOptions | None = None,
        handle_signals: bool = True,
        **arq_options: Any,
    ) -> None:
        # Signals are taken when the worker runs, and by whoever runs several in one process.
        with loop_for_arq(needed=arq_options.get("redis_pool") is not None):
            super().__init__(functions, handle_signals=False, **arq_options)
        self._takes_signals = handle_signals
        self.timezone_given = arq_options.get("timezone") is not None
        self.options = runner or self._options_of_arq()
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}"
        self.patience = Patience(self.id)
        self.tally = Tally(self.options.queue, self.id)
        self._resources: Mapping[type[Any], Any] = {}
        self._clock = CronClock(self)
        self._reset()

    def _options_of_arq(self) -> WorkerOptions:
        """What arq's options say, where there are none of ours."""
        options = WorkerOptions(
            queue=keys.queue_of(self.queue_name),
            max_retries=max(0, self.max_tries - 1),
            timeout_s=self.job_timeout_s,
        )
        if not self._job_completion_wait:
            return options
        return replace(options, grace_s=self._job_completion_wait)

    @property
    def speaks_arq(self) -> bool:
        """Whether it runs plain arq functions, and logs what arq would."""
        return not all(isinstance(f, JobFunction | IntervalCron) for f in self.functions.values())

    def _reset(self) -> None:
        """A worker may run again after it was closed, as `arq --watch` does."""
        self._held: set[Held] = set()
        self._afterwards: set[asyncio.Task[None]] = set()
        self._stop_signal = ""
        self.allow_pick_jobs = True
        self._busy = 0
        self._slot_freed = asyncio.Event()
        self._called = asyncio.Event()
        """Ends a rest: the worker is to stop, or a job comes due before the rest would end."""
        self._takes = asyncio.Event()
        self._takes.set()
        self._rests_until = 0.0
        self.stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self._over = asyncio.Event()
        self.ready = asyncio.Event()

    # ------------------------------------------------------------------ life

    def run(self) -> None:
        """Run in a loop of its own, uvloop's where that is installed, and close; `arq` calls it."""
        if self._pool is not None:
            super().run()  # a pool belongs to the loop that it was made in
            return
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            self.loop = runner.get_loop()
            runner.run(self._run_and_close())

    async def async_run(self) -> None:
        """Run in the loop that runs already; does not close. Useful when testing."""
        self.loop = asyncio.get_running_loop()
        await super().async_run()

    async def _run_and_close(self) -> None:
        try:
            await self.async_run()
        finally:
            await self.close()

    async def main(self) -> None:
        """Run until told to stop or, in a burst, until the queue is drained."""
        if self._over.is_set():
            self._reset()
        self.main_task = self.main_task or asyncio.current_task()
        try:
            async with contextlib.AsyncExitStack() as exits:
                try:
                    await self._open(exits)
                except (RedisError, OSError) as error:
                    if self.stopping.is_set() and is_passing(error):
                        return  # told to stop while it waited for Redis
                    raise
                await self._work()
        finally:
            self._over.set()

    async def _open(self, exits: contextlib.AsyncExitStack) -> None:
        """Connect, and open what jobs and middleware need; it is closed in reverse."""
        if self.options.prepare is not None:
            self.options.prepare()
        if self._takes_signals:
            self._take_signals(exits)
        self._connect()
        await self.patience.call(self.pool.ping, unless=self.stopping)
        await warn_of_risks(self.pool)
        if self.speaks_arq:
            await arq_log.tell_start(self)
        if isinstance(self.pool, connection.QueueClient):
            connection.use(self.pool)
            self.enqueuer = self.pool.enqueuer
        else:
            self.enqueuer = Enqueuer(self.pool)
        self.ctx["redis"] = self.pool
        self.ctx["worker"] = self
        if self.options.resources is not None:
            self._resources = await exits.enter_async_context(self.options.resources())
        self.instruments = await exits.enter_async_context(Instruments.open(self.options))
        if self.on_startup:
            await self.on_startup(self.ctx)
        self._build_stages()
        for stage in (self._claimer, self._settler, self._leases, self.enqueuer):
            exits.push_async_callback(stage.close)
        exits.push_async_callback(self.attempts.close)
        exits.push_async_callback(self.presence.leave)
        await self.presence.arrive()
        exits.enter_context(watching(self.loop, self._watched()))
        self.ready.set()

    def _connect(self) -> None:
        if self._pool is None:
            self._pool = connection.connect(self.redis_settings or "redis://localhost:6379")
            self._pool.job_serializer = self.job_serializer or self._pool.job_serializer
            self._pool.job_deserializer = self.job_deserializer or self._pool.job_deserializer
            self._pool.default_queue_name = self.queue_name
            if self.expires_extra_ms != arq.constants.expires_extra_ms:
                self._pool.expires_extra_ms = self.expires_extra_ms

    def _watched(self) -> Watched:
        return Watched(
            warn_s=self.options.blocked_warn_s,
            limit_s=self.options.blocked_limit_s,
            describe=self._describe_blocker,
            give_up=self._give_up,
        )

    def _describe_blocker(self, task: asyncio.Task[object] | None) -> dict[str, str]:
        """In the watchdog's thread: which job of this worker holds the loop."""
        held = held_by(task)
        if held is None or held.envelope is None or held not in self._held:
            return {}
        return {"job": held.envelope.name, "job_id": held.claim.job_id}

    def _give_up(self, task: asyncio.Task[object] | None) -> int:
        """In the watchdog's thread: give back all but the job that blocks; it counts a crash."""
        blocker = held_by(task)
        return self._settler.settle_from_outside(
            [held for held in list(self._held) if held is not blocker]
        )

    def _build_stages(self) -> None:
        lease_s, patience = self.options.lease_s, self.patience
        self.attempts = Attempts(
            self.options,
            self.instruments.stack,
            self._resources,
            read_body=body_reader(self.job_deserializer),
        )
        for function in self.functions.values():
            keep_s = self._keep_result_s()
            if isinstance(function, JobFunction):
                self.attempts.learn(function, keep_result_s=keep_s)
            else:
                self.attempts.learn_plain(function, self, keep_result_s=keep_s)
        self._claimer = Claimer(
            self.pool,
            self.queue_name,
            worker_id=self.id,
            lease_s=lease_s,
            patience=patience,
            stopping=self.stopping,
            known=self.attempts.names,
        )
        self._settler = Settler(
            self.pool,
            self.queue_name,
            patience=patience,
            on_settled=self._on_settled,
            write_plain=result_writer(self.job_serializer),
        )
        self._leases = LeaseKeeper(self.pool, self.queue_name, lease_s=lease_s, patience=patience)
        self.presence = Presence(self)

    def log_health(self, info: str) -> None:
        """arq's line, when its counts have changed, once in a `health_check_interval`."""
        counts = info[info.index("j_complete=") :]
        changed = self._last_health_check_log not in {None, counts}
        if changed and time.time() - self._last_health_check < self.health_check_interval:
            return
        if changed:
            arq_log.tell_health(info)
            self._last_health_check = time.time()
        self._last_health_check_log = counts

    def _keep_result_s(self) -> float | None:
        """For jobs that do not say; None for ever."""
        return None if self.keep_result_forever else self.keep_result_s

    async def _work(self) -> None:
        # First of all, so that a burst runs what is to run at its start.
        await self._until_stopped(self.run_cron(datetime.now(UTC), 0.0))
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(part)
                for part in (
                    self._settler.run(),
                    self._keep_leases(),
                    self._watch_for_aborts(),
                    self.presence.run(),
                    self._clock.run(),
                )
            ]
            try:
                await self._until_stopped(self._take_jobs())
                await self._wind_up()
            except asyncio.CancelledError:
                # Somebody cancels the task that runs the worker: what it holds is given back first.
                self.stop(at_once=True)
                await self._wind_up()
                raise
            finally:
                await _end(beside)

    async def _until_stopped(self, part: Coroutine[Any, Any, None]) -> None:
        """Do *part*; after a stop it is cut off soon: it may wait for a Redis that hangs."""
        doing = self.loop.create_task(part)
        stopping = self.loop.create_task(self.stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # A claim that is cut off may have been made: `give_back_unanswered` undoes it.
            await asyncio.wait({doing}, timeout=_LAST_ANSWER_S)
        finally:
            await _end((doing, stopping))
        if not doing.cancelled():
            doing.result()

    async def _wind_up(self) -> None:
        await self._finish_running()
        await self._settle_the_last()

    async def run_cron(self, n: datetime, delay: float, num_windows: int = 2) -> None:
        """Enqueue the cron jobs that come due within *delay* times *num_windows* seconds of *n*."""
        now = n.astimezone(UTC)
        await self._clock.enqueue_due(now, now + timedelta(seconds=delay * num_windows))

    # ------------------------------------------------------------------ taking jobs

    async def _take_jobs(self) -> None:
        """Claim and start jobs until told to stop."""
        while not self.stopping.is_set():
            if self._has_run_its_burst():
                return
            free = await self._free_slots()
            if free <= 0:
                continue
            try:
                claims = await self._claimer.claim(free)
            except (RedisError, OSError):
                if not self.stopping.is_set():
                    raise
                return
            for claim in claims:
                self._start(claim)
            if len(claims) < free:
                if self.burst and await self._burst_is_over():
                    return
                await self._wait_for_work()

    async def _free_slots(self) -> int:
        """How many jobs may be claimed now; 0 after a wait for a slot, or for outcomes."""
        if self.is_quiet:
            await self._takes.wait()
            return 0
        free = self.max_jobs - self._busy
        if self.burst and self.max_burst_jobs >= 0:
            free = min(free, self.max_burst_jobs - self._jobs_started())
        if free <= 0 or self._settler.pending > _UNSETTLED_PER_SLOT * self.max_jobs:
            self._slot_freed.clear()
            await self._slot_freed.wait()
            return 0
        return min(free, _MOST_CLAIMED_AT_ONCE)

    def _has_run_its_burst(self) -> bool:
        return self.burst and 0 <= self.max_burst_jobs <= self._jobs_started()

    async def _wait_for_work(self) -> None:
        """Until a job is enqueued or comes due, arq's poll delay is over, or a stop."""
        longest_s = float(self.poll_delay_s)
        if self._claimer.next_due_in_s is not None:
            longest_s = min(longest_s, self._claimer.next_due_in_s)
        self._rests_until = self.loop.time() + longest_s
        longest_s = max(_SHORTEST_BLOCK_S, longest_s)
        wake = self.loop.create_task(self._block_on_wake_list(longest_s))
        called = self.loop.create_task(self._called.wait())
        try:
            await asyncio.wait({wake, called}, return_when=asyncio.FIRST_COMPLETED)
            if wake.done():
                wake.result()
        finally:
            await _end((wake, called))
            self._called.clear()
            self._rests_until = 0.0

    async def _block_on_wake_list(self, longest_s: float) -> None:
        try:
            block_s = min(longest_s, _LONGEST_BLOCK_S)
            await self.pool.blpop([self.queue_name + keys.WAKE_SUFFIX], timeout=block_s)  # type: ignore[misc,arg-type]  # redis-py's own hints: sync or async, whole seconds
        except (RedisError, OSError) as error:
            if not is_passing(error):
                raise
            self.patience.note_loss(error)
            await asyncio.sleep(min(longest_s, _AFTER_LOSS_S))

    async def _burst_is_over(self) -> bool:
        """Whether nothing runs here, and nothing that this worker knows comes due soon."""
        if self._busy or self._settler.pending:
            self._slot_freed.clear()
            await self._slot_freed.wait()
            return False
        return not await self.patience.call(self._count_due_soon, unless=self.stopping)

    async def _count_due_soon(self) -> int:
        if await self.pool.exists(self.queue_name + keys.PAUSED_SUFFIX):
            return 0
        horizon_ms = (time.time() + _BURST_HORIZON_S) * 1000
        ids = await self.pool.zrangebyscore(self.queue_name, "-inf", horizon_ms, start=0, num=1000)
        if not ids:
            return 0
        running = await self.pool.hmget(self.queue_name + keys.RUNNING_SUFFIX, ids)  # type: ignore[misc]
        unknown = await self.pool.hmget(self.queue_name + keys.UNKNOWN_SUFFIX, ids)  # type: ignore[misc]
        return sum(a is None and b is None for a, b in zip(running, unknown, strict=True))

    # ------------------------------------------------------------------ one job

    def _start(self, claim: Claim) -> None:
        if claim.held_before and self._goes_on_under(claim):
            return
        held = Held(claim)
        self._held.add(held)
        self._busy += 1
        held.task = self.tasks[claim.job_id] = self.loop.create_task(self._run(held))

    def _goes_on_under(self, claim: Claim) -> bool:
        """Its lease lapsed while the job ran here, or its outcome was on the way to Redis."""
        for held in self._held:
            if held.claim.key == claim.key and held.why_stopped is not Stop.LOST:
                held.claim.token = claim.token
                return True
        return False

    async def _run(self, held: Held) -> None:
        """One job, from its claim to its outcome."""
        try:
            outcome = await self.attempts.run(held)
        finally:
            self._free_slot_of(held)
        self._hand_in(held, outcome)

    def _free_slot_of(self, held: Held) -> None:
        if held.is_left_behind:
            return
        self._busy -= 1
        self._slot_freed.set()
        if self.tasks.get(held.claim.job_id) is held.task:
            del self.tasks[held.claim.job_id]

    def _leave_behind(self, held: Held, outcome: Outcome | None) -> None:
        """A job that goes on although it was cancelled: this is its end, whatever it still does."""
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
        """To be settled; without an outcome the job is another worker's, and nothing is written."""
        if held not in self._held or held.is_left_behind:
            return
        if outcome is None:
            self._held.discard(held)
            self._start_afterwards(held)
            return
        self._settler.put(
            Ended(
                claim=held.claim,
                envelope=held.envelope,
                outcome=outcome,
                keep_result_s=held.policy.keep_result_s if held.policy else self._keep_result_s(),
                started_ms=held.started_ms,
                finished_ms=time.time_ns() // 1_000_000,
                held=held,
            )
        )

    def _on_settled(self, ended: Ended, kept: bool) -> None:  # noqa: FBT001 -- a callback's answer
        self._held.discard(ended.held)
        self._slot_freed.set()
        if ended.held.afterwards is not None:
            self._start_afterwards(ended.held)
        if not kept:
            _log.warning(
                "outcome dropped: another worker holds the job now", job_id=ended.claim.job_id
            )
            return
        self.tally.count(ended)
        match ended.outcome:
            case Done():
                self.jobs_complete += 1
            case Retrying(delay_s=delay_s) | Released(delay_s=delay_s):
                self.jobs_retried += 1
                if self.loop.time() + delay_s < self._rests_until:
                    self._called.set()
            case _:
                self.jobs_failed += 1

    def _start_afterwards(self, held: Held) -> None:
        """arq's `after_job_end`, which is waited for when the worker stops."""
        if held.afterwards is not None:
            task = self.loop.create_task(held.afterwards())
            self._afterwards.add(task)
            task.add_done_callback(self._afterwards.discard)

    def running_now(self) -> list[Held]:
        """The jobs that run here."""
        return [held for held in self._held if held.is_running]

    def _jobs_started(self) -> int:
        """arq's count for `max_burst_jobs`; outcomes on their way to Redis count too."""
        return self.jobs_complete + self.jobs_retried + self.jobs_failed + len(self._held)

    # ------------------------------------------------------------------ holding jobs

    async def _keep_leases(self) -> None:
        """Extend the leases of all that is held, well before they end."""
        pause_s = min(self.options.heartbeat_s, self.options.lease_s / 3)
        while True:
            await asyncio.sleep(pause_s)
            self._leave_stubborn_behind()
            await self._renew()

    def _leave_stubborn_behind(self) -> None:
        """A slot is not lost to a job that swallows its timeout, its abort or its lost claim."""
        now = self.loop.time()
        for held in list(self._held):
            if not held.is_running or held.task is None or not held.task.cancelling():
                held.cancelled_at = None
            elif held.cancelled_at is None:
                held.cancelled_at = now
            elif now - held.cancelled_at > self.options.cancel_wait_s and self.attempts.is_overdue(
                held
            ):
                self._leave_behind(held, self.attempts.end_of_stubborn(held))

    async def _watch_for_aborts(self) -> None:
        """Asks for a key that is absent while nobody aborts anything: cheaper than renewing."""
        while True:
            await asyncio.sleep(self.options.abort_check_s)
            if self._busy and await self.patience.call(lambda: self.pool.exists(keys.ABORT)):
                await self._renew()

    async def _renew(self) -> None:
        held: dict[bytes, Held] = {}
        for one in self._held:
            # A retried job may run again here before its last outcome was answered for.
            if one.why_stopped is not Stop.LOST and (one.claim.key not in held or one.is_running):
                held[one.claim.key] = one
        if not held:
            return
        renewal = await self._leases.renew([one.claim for one in held.values()])
        for key in renewal.lost:
            # A job that was settled while the question was under way is not lost.
            if self._stop(held[key], Stop.LOST):
                _log.warning(
                    "claim lost: another worker holds the job now", job_id=held[key].claim.job_id
                )
        for key in renewal.aborted if self.allow_abort_jobs else ():
            self._stop(held[key], Stop.ABORT)

    def _stop(self, held: Held, why: Stop) -> bool:
        """Cancel the job, unless it is over or being cancelled; whether that was needed."""
        if held.task is None or held.task.done() or held.why_stopped is not None:
            return False
        held.why_stopped = why
        held.task.cancel()
        return True

    # ------------------------------------------------------------------ stopping

    @property
    def is_quiet(self) -> bool:
        """Whether it was asked to claim no jobs for now."""
        return not self._takes.is_set()

    def quiet(self) -> None:
        """Claim no more jobs, let running ones go on, and stay; until `resume`."""
        self._takes.clear()
        self._called.set()

    def resume(self) -> None:
        """Claim jobs again."""
        self._takes.set()

    def stop(self, *, at_once: bool = False) -> None:
        """Claim no more, let running jobs finish within the grace time; *at_once*: without it."""
        if at_once or self.stopping.is_set():
            self._at_once.set()
        self.allow_pick_jobs = False
        self.stopping.set()
        self._takes.set()
        self._slot_freed.set()
        self._called.set()

    async def _finish_running(self) -> None:
        """Let jobs finish within the grace time, give back those that have not, and cancel them."""
        if self.burst:
            await self._wait_for_running(None, unless=self.stopping)
        await self._wait_for_running(self.options.grace_s, unless=self._at_once)
        if self._stop_signal and self.speaks_arq:
            arq_log.tell_stop(self, self._stop_signal, waited=True)
        await self._offer_running()
        for held in list(self._held):
            self._stop(held, Stop.RELEASE)
        await self._wait_for_running(self.options.cancel_wait_s, unless=asyncio.Event())
        for held in list(self._held):
            if held.is_running:
                self._leave_behind(held, Released())

    async def _offer_running(self) -> None:
        """Before they are cancelled: if this process is killed meanwhile, they run at once."""
        running = [
            held.claim
            for held in self._held
            if held.task is not None and not held.task.done() and self._comes_back(held)
        ]
        if running:
            with contextlib.suppress(TimeoutError, RedisError, OSError):
                async with asyncio.timeout(_OFFER_WITHIN_S):
                    await self._settler.offer(running)

    def _comes_back(self, held: Held) -> bool:
        """Cancelled by a stop, it is to run again; arq's `retry_jobs` says no for its functions."""
        is_ours = held.policy is None or held.policy.plain is None
        return held.why_stopped is None and (is_ours or self.retry_jobs)

    async def _wait_for_running(self, longest_s: float | None, *, unless: asyncio.Event) -> None:
        running = {held.task for held in self._held if held.task and not held.task.done()}
        if not running:
            return
        hurry = asyncio.ensure_future(unless.wait())
        everything = asyncio.ensure_future(asyncio.wait(running))
        try:
            await asyncio.wait(
                {hurry, everything}, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            hurry.cancel()
            everything.cancel()
            await asyncio.gather(hurry, everything, return_exceptions=True)

    async def _settle_the_last(self) -> None:
        """Redis away at the very end: the leases lapse, and the jobs run again elsewhere."""
        try:
            async with asyncio.timeout(self.options.cancel_wait_s):
                await self._settler.drained()
                if self._afterwards:
                    await asyncio.wait(self._afterwards)
                await self._claimer.give_back_unanswered()
        except (TimeoutError, RedisError, OSError):
            _log.error(
                "stopped before Redis took every outcome: these jobs run again",
                job_ids=[held.claim.job_id for held in self._held],
            )

    def _take_signals(self, exits: contextlib.AsyncExitStack) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self.handle_sig, number)
            exits.callback(self.loop.remove_signal_handler, number)

    def handle_sig(self, signum: signal.Signals) -> None:
        """The first signal stops with grace, the second at once; arq's name for it."""
        number = signal.Signals(signum)
        _log.info(
            "stopping", signal=number.name, running=self._busy, at_once=self.stopping.is_set()
        )
        self._stop_signal = number.name
        if self.speaks_arq:
            arq_log.tell_stop(self, number.name)
        self.stop(at_once=number == signal.SIGUSR1)
        if self.on_stop is not None:
            self.on_stop(number)

    def handle_sig_wait_for_completion(self, signum: signal.Signals) -> None:
        """As `handle_sig`: running jobs get their time here in any case."""
        self.handle_sig(signum)

    async def close(self) -> None:
        """Stop, if it still runs, give jobs back, and close what was opened."""
        if self.main_task is not None and not self._over.is_set():
            self.stop(at_once=True)
            over = asyncio.ensure_future(self._over.wait())
            # A task that is cancelled before its first step never gets there.
            await asyncio.wait({over, self.main_task}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
        self.main_task = None
        if self._pool is None:
            return
        try:
            await take_back_health(self.pool, self.queue_name, self.health_check_key)
            if self.on_shutdown:
                await self.on_shutdown(self.ctx)
        finally:
            await self.pool.aclose(close_connection_pool=True)
            self._pool = None


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until it works: on Python 3.11, redis-py may swallow one that comes as it is done."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)


def _signature() -> inspect.Signature:
    """arq's command picks a settings class's values by the names in the worker's signature."""
    theirs = inspect.signature(arq.worker.Worker)
    ours = inspect.Parameter("runner", inspect.Parameter.KEYWORD_ONLY, default=None)
    return theirs.replace(parameters=[*theirs.parameters.values(), ours])


Worker.__signature__ = _signature()  # type: ignore[attr-defined]
