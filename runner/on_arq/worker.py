"""
The loop: the one place that knows the order of the stages.

    claim → (middleware → execute) → settle

A worker
1. claims as many due jobs as it has free slots, and ahead of them while jobs end fast (`taking`);
2. runs each in a task of its own, extends the leases of all that it holds, and stops what it no
   longer holds (`holding`);
3. settles outcomes as they come, in batches; only what Redis has answered for is settled;
4. while idle, blocks on the wake list until a job is enqueued or the next one comes due;
5. enqueues cron jobs at their times, once in the fleet;
6. waits while Redis is away, and goes on when it is back;
7. on SIGTERM claims no more, lets running jobs finish within the grace time, and gives the
   rest back; on a second signal gives them back at once (`stopping`).
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

from runner import client as connection
from runner.broker import keys
from runner.broker.outage import Patience, is_passing
from runner.broker.redis_risks import warn_of_risks
from runner.broker.script_connection import Wire
from runner.enqueue import Enqueuer
from runner.on_arq import log as arq_log
from runner.on_arq.cron import CronClock, IntervalCron
from runner.on_arq.job_function import JobFunction
from runner.options import WorkerOptions
from runner.serializers import body_reader, result_writer
from runner.worker.attempt import Attempts, held_by
from runner.worker.claim import Claimer
from runner.worker.counts import Tally
from runner.worker.event_loop import loop_for_arq, new_event_loop
from runner.worker.fetch import Taking, end
from runner.worker.heartbeat import Presence, take_back_health
from runner.worker.instruments import Instruments
from runner.worker.lease import LeaseKeeper
from runner.worker.prefetch import Ahead
from runner.worker.settle import Settler
from runner.worker.shutdown import Stopping
from runner.worker.slots import Holding
from runner.worker.watchdog import Watched, watching

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

_log = structlog.get_logger("runner.worker")

_LAST_ANSWER_S = 1.0
"""A stop waits for so long for Redis to answer a claim."""


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
        self.holding = Holding(self)
        self.taking = Taking(self)
        self.allow_pick_jobs = True
        self.takes = asyncio.Event()
        """Clear while the worker is asked to be quiet."""
        self.takes.set()
        self.stopping = asyncio.Event()
        self.at_once = asyncio.Event()
        self.stop_signal = ""
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
        for stage in (
            self.claimer,
            self.wake,
            self.ahead,
            self.settler,
            self.leases,
            self.enqueuer,
        ):
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
        if held is None or held.envelope is None or held not in self.holding.held:
            return {}
        return {"job": held.envelope.name, "job_id": held.claim.job_id}

    def _give_up(self, task: asyncio.Task[object] | None) -> int:
        """In the watchdog's thread: give back all but the job that blocks; it counts a crash."""
        blocker = held_by(task)
        return self.settler.settle_from_outside(
            [held for held in list(self.holding.held) if held is not blocker], self.ahead.claims
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
            keep_s = self.keeps_result_s()
            if isinstance(function, JobFunction):
                self.attempts.learn(function, keep_result_s=keep_s)
            else:
                self.attempts.learn_plain(function, self, keep_result_s=keep_s)
        self.claimer = Claimer(
            self.pool,
            self.queue_name,
            worker_id=self.id,
            lease_s=lease_s,
            patience=patience,
            stopping=self.stopping,
            known=self.attempts.names,
        )
        self.wake = Wire(self.pool)
        self.ahead = Ahead(self.pool, self.queue_name, lease_s=lease_s)
        self.settler = Settler(
            self.pool,
            self.queue_name,
            patience=patience,
            on_settled=self.holding.on_settled,
            write_plain=result_writer(self.job_serializer),
        )
        self.leases = LeaseKeeper(self.pool, self.queue_name, lease_s=lease_s, patience=patience)
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

    def keeps_result_s(self) -> float | None:
        """For jobs that do not say; None for ever."""
        return None if self.keep_result_forever else self.keep_result_s

    async def _work(self) -> None:
        # First of all, so that a burst runs what is to run at its start.
        await self._until_stopped(self.run_cron(datetime.now(UTC), 0.0))
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(part)
                for part in (
                    self.settler.run(),
                    self.holding.keep_leases(),
                    self.holding.watch_for_aborts(),
                    self.presence.run(),
                    self._clock.run(),
                )
            ]
            try:
                await self._until_stopped(self.taking.run())
                await Stopping(self).run()
            except asyncio.CancelledError:
                # Somebody cancels the task that runs the worker: what it holds is given back first.
                # In a task of its own: in one that was cancelled, early releases of Python 3.11 end
                # each timeout with CancelledError.
                self.stop(at_once=True)
                await self.loop.create_task(Stopping(self).run())
                raise
            finally:
                await end(beside)

    async def _until_stopped(self, part: Coroutine[Any, Any, None]) -> None:
        """Do *part*; after a stop it is cut off soon: it may wait for a Redis that hangs."""
        doing = self.loop.create_task(part)
        stopping = self.loop.create_task(self.stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # A claim that is cut off may have been made: `give_back_unanswered` undoes it.
            await asyncio.wait({doing}, timeout=_LAST_ANSWER_S)
        finally:
            await end((doing, stopping))
        if not doing.cancelled():
            doing.result()

    async def run_cron(self, n: datetime, delay: float, num_windows: int = 2) -> None:
        """Enqueue the cron jobs that come due within *delay* times *num_windows* seconds of *n*."""
        now = n.astimezone(UTC)
        await self._clock.enqueue_due(now, now + timedelta(seconds=delay * num_windows))

    # ------------------------------------------------------------------ stopping

    @property
    def is_quiet(self) -> bool:
        """Whether it was asked to claim no jobs for now."""
        return not self.takes.is_set()

    def quiet(self) -> None:
        """Claim no more jobs, let running ones go on, and stay; until `resume`."""
        self.takes.clear()
        self.holding.changed.set()
        self.taking.call()

    def resume(self) -> None:
        """Claim jobs again."""
        self.takes.set()

    def stop(self, *, at_once: bool = False) -> None:
        """Claim no more, let running jobs finish within the grace time; *at_once*: without it."""
        if at_once or self.stopping.is_set():
            self.at_once.set()
        self.allow_pick_jobs = False
        self.stopping.set()
        self.takes.set()
        self.holding.changed.set()
        self.taking.call()

    def _take_signals(self, exits: contextlib.AsyncExitStack) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self.handle_sig, number)
            exits.callback(self.loop.remove_signal_handler, number)

    def handle_sig(self, signum: signal.Signals) -> None:
        """The first signal stops with grace, the second at once; arq's name for it."""
        number = signal.Signals(signum)
        _log.info(
            "stopping",
            signal=number.name,
            running=self.holding.busy,
            at_once=self.stopping.is_set(),
        )
        self.stop_signal = number.name
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


def _signature() -> inspect.Signature:
    """arq's command picks a settings class's values by the names in the worker's signature."""
    theirs = inspect.signature(arq.worker.Worker)
    ours = inspect.Parameter("runner", inspect.Parameter.KEYWORD_ONLY, default=None)
    return theirs.replace(parameters=[*theirs.parameters.values(), ours])


Worker.__signature__ = _signature()  # type: ignore[attr-defined]
