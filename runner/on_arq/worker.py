"""
Our worker as a subclass of arq's: `arq settings.AnalyticsWorker` runs it.

It takes arq's options, connects, opens what jobs need, enqueues cron jobs at their times, and
leaves the jobs to the engine (`runner/worker/engine.py`). SIGTERM stops it with grace, a second
signal at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import arq.constants
import arq.worker
import structlog
from redis.exceptions import RedisError

from runner import chance, clock, current, machine
from runner.broker import keys
from runner.broker.cluster import LONGEST_PAUSE_S, is_clustered
from runner.broker.outage import Outage, is_passing
from runner.broker.redis_clock import RedisClock
from runner.broker.redis_risks import refuse_old_server, warn_of_risks
from runner.broker.servers import Servers
from runner.broker.set_aside import set_aside_of_queues
from runner.client import QueueClient, connect
from runner.enqueuer import Enqueuer
from runner.errors import ConfigurationError
from runner.on_arq import log
from runner.on_arq.base import BaseWorker
from runner.on_arq.cron import CronClock
from runner.on_arq.function import ArqRules, learn_plain
from runner.on_arq.job_function import JobFunction
from runner.on_arq.results import result_writer
from runner.options import WorkerOptions
from runner.partitions import in_partitions
from runner.periodic.poller import Poller
from runner.periodic.turns import Turns
from runner.sealing import ring
from runner.serializers import body_reader, request_maker
from runner.worker.attempt import Attempts
from runner.worker.counts import JobCounts
from runner.worker.engine import Engine, Setup
from runner.worker.event_loop import (
    CutOffError,
    cut_off_by,
    cut_off_by_signals,
    loop_for_arq,
    new_event_loop,
)
from runner.worker.execute import contain_exits
from runner.worker.fetch import Burst
from runner.worker.heartbeat import take_back_health
from runner.worker.instruments import Instruments
from runner.worker.life import Life
from runner.worker.passed import PassedOn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arq.connections import ArqRedis
    from arq.typing import StartupShutdown

    from runner.worker.pool import Share

_log = structlog.get_logger("runner.worker")

_AT_ONCE_S = 0.01
"""What arq's `poll_delay=0` is here: an idle worker that never waits would only burn a core."""


class Worker(BaseWorker):
    """
    arq's worker, with our engine in place of its loop.

    Takes arq's options, and ours as `runner`. Jobs made by `@job` have retries and the dead set;
    plain arq functions keep arq's semantics. Both run through the middleware.

    share: its part in a `SlotPool`, in place of slots of its own.
    """

    engine: Engine
    """The stages, from `ready` on."""

    def __init__(
        self,
        functions: Sequence[Any] = (),
        *,
        runner: WorkerOptions | None = None,
        share: Share | None = None,
        handle_signals: bool = True,
        **arq_options: Any,
    ) -> None:
        if runner is not None and len(in_partitions(runner.queue)) > 1:
            raise ConfigurationError(
                f"the queue {runner.queue} has {len(in_partitions(runner.queue))} partitions, each "
                "with a worker of its own: give the settings class to App(workers=[…]), or run "
                "those of its `partitions()`"
            )
        here = machine.this()
        self.id = f"{here.host}:{here.pid}:{chance.new_id(6)}"
        self._redis_clock = RedisClock()
        self.counts = JobCounts(self._redis_clock)
        self._life = Life()
        # The worker handles signals when it runs; a fleet of several handles them itself.
        with loop_for_arq(needed=arq_options.get("redis_pool") is not None):
            super().__init__(functions, handle_signals=False, **arq_options)
        self._takes_signals = handle_signals
        self._zone = self.timezone if arq_options.get("timezone") is not None else None
        if share is not None:
            self.max_jobs = share.count
        self.share = share
        self.options = self._with_arqs(runner or self._options_of_arq())
        self.outage = Outage(self.id)
        self._cron: CronClock | None = None
        self._stop_signal = ""
        self._ended = asyncio.Event()
        self.ready = asyncio.Event()

    def _options_of_arq(self) -> WorkerOptions:
        """Return our options, derived from arq's."""
        options = WorkerOptions(
            queue=keys.of(self._pool).queue_of(self.queue_name),
            prefix=keys.of(self._pool).prefix,
            max_retries=max(0, self.max_tries - 1),
            timeout_s=self.job_timeout_s,
        )
        if not self._job_completion_wait:
            return options
        return replace(options, grace_s=self._job_completion_wait)

    def _with_arqs(self, options: WorkerOptions) -> WorkerOptions:
        """Return *options* with what was given under arq's names, which arq's class has read."""
        return replace(
            options,
            concurrency=self.max_jobs,
            keep_result_s=None if self.keep_result_forever else self.keep_result_s,
            idle_poll_s=float(self.poll_delay_s) or _AT_ONCE_S,
        )

    @property
    def _runs_plain_functions(self) -> bool:
        """Whether there are plain arq functions, for which the worker logs arq's lines."""
        return not all(isinstance(f, JobFunction) for f in self.functions.values())

    # ------------------------------------------------------------------ arq's own attributes

    @property
    def jobs_complete(self) -> int:
        """Jobs that succeeded since the worker was created."""
        return self.counts.complete

    @jobs_complete.setter
    def jobs_complete(self, count: int) -> None:
        self.counts.complete = count

    @property
    def jobs_retried(self) -> int:
        """Attempts after which the job went back to its queue."""
        return self.counts.retried

    @jobs_retried.setter
    def jobs_retried(self, count: int) -> None:
        self.counts.retried = count

    @property
    def jobs_failed(self) -> int:
        """Jobs that failed for good."""
        return self.counts.failed

    @jobs_failed.setter
    def jobs_failed(self, count: int) -> None:
        self.counts.failed = count

    @property
    def allow_pick_jobs(self) -> bool:
        """Whether the worker claims jobs: it is neither quiet nor stopping."""
        return not (self._life.is_quiet or self._life.stopping.is_set())

    @allow_pick_jobs.setter
    def allow_pick_jobs(self, allowed: bool) -> None:
        if allowed:
            self._life.resume()
        else:
            self._life.quiet()

    # ------------------------------------------------------------------ life

    def run(self) -> None:
        """Run in a loop of its own (uvloop's if installed), and close; `arq` calls this."""
        if self._pool is not None:
            super().run()  # a pool belongs to the loop that it was created in
            return
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            self.loop = runner.get_loop()
            runner.run(self._run_and_close())

    async def async_run(self) -> None:
        """Run in the running loop, and do not close. Useful in tests."""
        self.loop = asyncio.get_running_loop()
        contain_exits(self.loop)
        await super().async_run()

    async def _run_and_close(self) -> None:
        try:
            await self.async_run()
        finally:
            await self.close()

    async def main(self) -> None:
        """Run until asked to stop or, in a burst, until the queue is drained."""
        if self._ended.is_set():
            self._begin_anew()
        self.main_task = self.main_task or asyncio.current_task()
        try:
            async with contextlib.AsyncExitStack() as exits:
                try:
                    self._prepare()
                    async with cut_off_by(
                        self._life.stopping, again_every_s=self.options.cancel_wait_s
                    ):
                        await self._open(exits)
                except CutOffError:
                    return
                except (RedisError, OSError) as error:
                    if self._life.stopping.is_set() and is_passing(error):
                        return  # stopped while it waited for Redis
                    raise
                cron = self._cron_clock()
                turns = self._turns()
                # First, so that a burst runs what is due now, and what runs at startup.
                for first in (self.run_cron(self._redis_clock.now(), 0.0), *map(Turns.take, turns)):
                    await self.engine.until_stopped(first)
                await self.engine.run(cron.run(), *map(Turns.run, turns))
        finally:
            self._ended.set()

    def _begin_anew(self) -> None:
        """Prepare to run again after a close, as `arq --watch` does."""
        self._life = Life()
        self._cron = None
        self._stop_signal = ""
        self._ended = asyncio.Event()
        self.ready = asyncio.Event()

    def _prepare(self) -> None:
        if self.options.prepare is not None and self._takes_signals:
            with cut_off_by_signals(self.handle_sig):
                self.options.prepare()
        elif self.options.prepare is not None:
            self.options.prepare()
        jobs = [one.job for one in self.functions.values() if isinstance(one, JobFunction)]
        if any(job.schema.holds_secrets for job in jobs):
            ring()  # without a key it could run none of them

    async def _open(self, exits: contextlib.AsyncExitStack) -> None:
        """Connect, and open what jobs and middleware need; *exits* closes it, last first."""
        options = self.options
        if self._takes_signals:
            self._take_signals(exits)
        self._connect()
        self.outage.set_aside = self._set_aside
        if is_clustered(self.pool):
            self.outage.longest_pause_s = LONGEST_PAUSE_S
        await self.outage.call(self._read_time, unless=self._life.stopping)
        await self.outage.call(self._refuse_old_server, unless=self._life.stopping)
        await warn_of_risks(self.pool)
        if self._runs_plain_functions:
            await log.started(self.functions, self.pool)
        if isinstance(self.pool, QueueClient):
            current.use(self.pool)
            self.enqueuer = self.pool.enqueuer
        else:
            self.enqueuer = Enqueuer(self.pool)
        exits.push_async_callback(self.enqueuer.close)
        self.ctx["redis"] = self.pool
        self.ctx["worker"] = self
        resources: Mapping[type[Any], Any] = {}
        if options.resources is not None:
            resources = await exits.enter_async_context(options.resources())
        self.instruments = await exits.enter_async_context(Instruments.open(options))
        if self.on_startup:
            await self.on_startup(self.ctx)
        self.engine = Engine(
            options,
            self.pool,
            self._setup(),
            life=self._life,
            outage=self.outage,
            counts=self.counts,
            attempts=self._attempts(resources),
            redis_clock=self._redis_clock,
        )
        await self.engine.open(exits)
        self.ready.set()

    async def _refuse_old_server(self) -> None:
        await refuse_old_server(self.pool)

    async def _set_aside(self) -> list[str]:
        return await set_aside_of_queues(self.pool, [self.queue_name])

    async def _read_time(self) -> None:
        seconds, micros = await self.pool.time()
        self._redis_clock.note(seconds * 1000 + micros / 1000)

    def _connect(self) -> None:
        if self._pool is not None:
            self._refuse_another_prefix(self._pool)
        else:
            self._pool = connect(
                self.redis_settings or "redis://localhost:6379",
                client_middleware=self.options.client_middleware,
                call_timeout_s=self.options.call_timeout_s,
                max_body_bytes=self.options.max_body_bytes,
                strict_queues=self.options.strict_queues,
                prefix=self.options.prefix,
            )
            if (here := self._pool.settings) is not None:
                self._pool.servers = self.options.servers or Servers(here, declares=True)
            self._pool.job_serializer = self.job_serializer or self._pool.job_serializer
            self._pool.job_deserializer = self.job_deserializer or self._pool.job_deserializer
            self._pool.default_queue_name = self.queue_name
            if self.expires_extra_ms != arq.constants.expires_extra_ms:
                self._pool.expires_extra_ms = self.expires_extra_ms

    def _refuse_another_prefix(self, pool: ArqRedis) -> None:
        own, given = self.options.prefix, keys.of(pool).prefix
        if own != given:
            raise ConfigurationError(
                f"the worker of {self.options.queue} has the prefix {own!r}, and its "
                f"redis_pool {given!r}: give both the same"
            )

    def _setup(self) -> Setup:
        """Return what the engine needs of arq's options."""
        return Setup(
            worker_id=self.id,
            queue_key=self.queue_name,
            health_key=self.health_check_key,
            burst=Burst(int(self.max_burst_jobs)) if self.burst else None,
            share=self.share,
            heeds_aborts=self.allow_abort_jobs,
            write_plain=result_writer(self.job_serializer),
            tasks=self.tasks,
            on_beat=self.log_health,
            on_waited=self._log_waited,
        )

    def _attempts(self, resources: Mapping[type[Any], Any]) -> Attempts:
        """Return what runs the jobs and functions of this worker."""
        stack = self.instruments.stack
        attempts = Attempts(
            self.options,
            stack,
            resources,
            read_body=body_reader(self.job_deserializer),
            on_refused=log.refused if self._runs_plain_functions else None,
            fetch_passed=PassedOn(self.pool, self.outage).fetch,
        )
        rules = ArqRules(
            queue=self.options.queue,
            redis=self.pool,
            ctx=self.ctx,
            max_tries=self.max_tries,
            backoff=self.options.backoff,
            keep_result_s=self.options.keep_result_s,
            retry_jobs=self.retry_jobs,
            log_results=self.log_results,
            on_job_start=self.on_job_start,
            on_job_end=self.on_job_end,
            after_job_end=self.after_job_end,
        )
        for function in self.functions.values():
            if isinstance(function, JobFunction):
                attempts.learn(function.job)
            else:
                learn_plain(attempts, function, rules, stack)
        return attempts

    def log_health(self, info: str) -> None:
        """Log arq's line when its counts have changed, once per `health_check_interval`."""
        if not self._runs_plain_functions:
            return
        counts = info[info.index("j_complete=") :]
        changed = self._last_health_check_log not in {None, counts}
        if changed and clock.monotonic() - self._last_health_check < self.health_check_interval:
            return
        if changed:
            log.health(info)
            self._last_health_check = clock.monotonic()
        self._last_health_check_log = counts

    def _cron_clock(self) -> CronClock:
        if self._cron is None:
            self._cron = CronClock(
                self.cron_jobs,
                queue=self.options.queue,
                worker_id=self.id,
                redis=self.pool,
                outage=self.outage,
                enqueuer=self.enqueuer,
                make_request=request_maker(self.job_serializer),
                zone=self._zone,
                redis_clock=self._redis_clock,
            )
        return self._cron

    def _turns(self) -> list[Turns]:
        """Return this worker's turns to poll; none if it has no queues to poll."""
        options = self.options
        if not options.polled_queues:
            return []
        poller = Poller(
            self.pool,
            self.enqueuer,
            self.instruments.statsd,
            schedule=options.schedule,
            queues=options.polled_queues,
            dead_max_jobs=options.dead_max_jobs,
            dead_max_age_s=options.dead_max_age_s,
            keep_done=options.keep_done,
            keep_done_s=options.keep_done_s,
        )
        return [
            Turns(
                poller,
                self.pool,
                queues=options.polled_queues,
                interval_s=options.poll_interval_s,
                lease_s=options.lease_s,
                outage=self.outage,
                redis_clock=self._redis_clock,
                stopping=self._life.stopping,
            )
        ]

    async def run_cron(self, n: datetime, delay: float, num_windows: int = 2) -> None:
        """Enqueue the cron jobs that come due within *delay* times *num_windows* seconds of *n*."""
        if not self.cron_jobs:
            return
        now = n.astimezone(UTC)
        await self._cron_clock().enqueue_due(now, now + timedelta(seconds=delay * num_windows))

    # ------------------------------------------------------------------ stopping

    @property
    def is_quiet(self) -> bool:
        """Whether the worker is to claim no jobs for now."""
        return self._life.is_quiet

    @property
    def is_at_rest(self) -> bool:
        """Whether the worker has claimed what it can, and waits for work or for a free slot."""
        if self.share is not None and self.share.pool.free <= 0:
            return True
        return self._life.rest.until > 0 or len(self.tasks) >= self.max_jobs

    def quiet(self) -> None:
        """Claim no jobs until `resume`; running ones go on."""
        self._life.quiet()

    def resume(self) -> None:
        """Claim jobs again."""
        self._life.resume()

    def stop(self, *, at_once: bool = False) -> None:
        """Claim no more, let running jobs finish within the grace time; *at_once*: without it."""
        self._life.stop(at_once=at_once)

    def _take_signals(self, exits: contextlib.AsyncExitStack) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self.handle_sig, number)
            exits.callback(self.loop.remove_signal_handler, number)

    def handle_sig(self, signum: signal.Signals) -> None:
        """Stop with grace at the first signal, at once at the second; the name is arq's."""
        number = signal.Signals(signum)
        _log.info(
            "stopping",
            signal=number.name,
            running=len(self.tasks),
            at_once=self._life.stopping.is_set(),
        )
        self._stop_signal = number.name
        self._log_stopping()
        self.stop(at_once=number == signal.SIGUSR1)
        if self.on_stop is not None:
            self.on_stop(number)

    def handle_sig_wait_for_completion(self, signum: signal.Signals) -> None:
        """Do what `handle_sig` does: it gives running jobs their time anyway."""
        self.handle_sig(signum)

    def _log_waited(self) -> None:
        if self._stop_signal:
            self._log_stopping(waited=True)

    def _log_stopping(self, *, waited: bool = False) -> None:
        if self._runs_plain_functions:
            log.stopping(self._stop_signal, self.counts, ongoing=len(self.tasks), waited=waited)

    async def close(self) -> None:
        """Stop the worker if it still runs, give jobs back, and close what was opened."""
        if self.main_task is not None and not self._ended.is_set():
            self.stop(at_once=True)
            ended = asyncio.ensure_future(self._ended.wait())
            # A task that is cancelled before its first step never gets there.
            await asyncio.wait({ended, self.main_task}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
        self.main_task = None
        if self._pool is None:
            return
        try:
            await take_back_health(self.pool, self.queue_name, self.health_check_key)
            if self.on_shutdown:
                await self._shut_down(self.on_shutdown)
        finally:
            await self.pool.aclose(close_connection_pool=True)
            self._pool = None

    async def _shut_down(self, on_shutdown: StartupShutdown) -> None:
        try:
            await on_shutdown(self.ctx)
        except Exception as error:
            if self.ready.is_set():
                raise
            # It may miss what `on_startup` had not opened yet.
            _log.warning(
                "on_shutdown failed after a start that did not end",
                worker=self.id,
                error=f"{type(error).__name__}: {error}",
            )
