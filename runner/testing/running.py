"""Jobs that a test runs, by the stages of a worker: at once, or in order of time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.broker import keys
from runner.checks import optional, seconds
from runner.codec import encode_shown
from runner.current import redirect
from runner.errors import ConfigurationError, refuse
from runner.options import WorkerOptions
from runner.periodic.ticks import request_at
from runner.sealing import keys_for_tests
from runner.testing.memory import Kept
from runner.testing.records import Enqueued, JobError, Record, Stage
from runner.testing.stages import Stages, waiting_jobs
from runner.worker.held import Ended
from runner.worker.outcome import (
    Aborted,
    Dead,
    Done,
    Expired,
    Failed,
    Outcome,
    Parked,
    Released,
    Retrying,
    Stop,
)
from runner.worker.results import history_entry, result_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from runner.decorator import Job
    from runner.middleware import Middleware
    from runner.periodic.schedule import Periodic
    from runner.retry import Backoff
    from runner.worker.held import Held
    from runner.worker_settings import WorkerSettings

_OPTIONS = WorkerOptions()
_ENDED_AS: dict[type[object], str] = {
    Done: "done",
    Aborted: "aborted",
    Expired: "expired",
    Failed: "failed",
}
_MOST_STEPS = 100_000
"""Of what has no end in time: a job that is always retried without charge is never over."""


class _Place(NamedTuple):
    """A job's place in the queue, before those of a later *since*."""

    since: datetime
    order: int
    due: datetime
    record: Record

    @property
    def holds(self) -> bool:
        """False of a job that was aborted, or is due at another time by now."""
        waits = self.record.stage in {Stage.WAITING, Stage.RETRYING}
        return waits and self.record.due == self.due

    def ahead(self) -> _Place:
        """Return its place now that it is due."""
        head_start = timedelta(milliseconds=self.record.request.ahead_ms)
        return self._replace(since=self.due - head_start)


class _Running(Kept):
    """Keeps jobs, and runs them."""

    def __init__(self, stages: Stages, now: datetime | None) -> None:
        super().__init__(now)
        self._stages = stages
        self._fences = itertools.count(1)

    async def _attempt(self, record: Record, stages: Stages | None = None) -> Outcome | None:
        """Run one attempt, by other *stages* if they are given, and keep its outcome."""
        record.stage = Stage.RUNNING
        for one in [*self._lanes.start(record, self.clock.now)]:
            await self._let_in(one)
        try:
            outcome = await (stages or self._stages).attempt(record, self, next(self._fences))
        except BaseException:
            record.stage = Stage.WAITING
            raise
        held = record.held
        assert held is not None  # noqa: S101 -- it has run
        self._settle(record, held, outcome)
        await self._ended(record)
        await self._step_back(record)
        await self._call_back(record.request.batch_id)
        return outcome

    async def _step_back(self, record: Record) -> None:
        """Let a job give up its place in its lane until it is due again."""
        if record.is_pending and record.due > self.clock.now:
            for one in [*self._lanes.leave(record, self.clock.now)]:
                await self._let_in(one)
            self._lanes.join(record, self.clock.now)

    def _settle(self, record: Record, held: Held, outcome: Outcome | None) -> None:
        now = self.clock.now
        policy = held.policy
        keep_s = None if policy is None else policy.keep_result_s
        ended = Ended(
            held.claim, held.envelope, outcome or Released(), keep_s,
            held.started_ms, self.clock.now_ms, held,
        )  # fmt: skip
        if isinstance(outcome, Released) and outcome.holds_lane:
            self._due_anew(self._lanes.hold(record, now + timedelta(seconds=outcome.delay_s)))
        if held.units is not None:
            self._due_anew(self._lanes.correct(record, held.units, now))
        match outcome:
            case Retrying(delay_s=delay_s):
                record.stage, record.spent = Stage.RETRYING, record.spent + 1
                record.due = now + timedelta(seconds=delay_s)
            case Released(delay_s=delay_s):
                record.stage, record.due = Stage.WAITING, now + timedelta(seconds=delay_s)
            case Parked():
                record.stage = Stage.PARKED
            case Dead(error=error):
                record.stage, record.error = Stage.DEAD, history_entry(ended, error)
                record.ended_as, record.passed = "dead", record.error
            case _:
                record.stage = Stage.DONE
                record.ended_as = _ENDED_AS[type(outcome)]
                if isinstance(outcome, Done) and isinstance(outcome.result, bytes):
                    record.passed = outcome.result
                if isinstance(outcome, Expired):
                    record.passed = encode_shown(outcome.error)
                if keep_s != 0:
                    queue_key = keys.of(self).queue_key(record.request.queue)
                    record.result = result_of(ended, queue_key)
                    record.kept_until = None if keep_s is None else now + timedelta(seconds=keep_s)

    def _due_anew(self, records: Sequence[Record]) -> None:
        """Do what follows when jobs are due at another time."""

    def _abort(self, record: Record, dropped_for: str = "") -> None:
        if record.stage is not Stage.RUNNING:
            super()._abort(record, dropped_for)
        elif (held := record.held) is not None and held.task is not None:
            held.why_stopped = Stop.ABORT
            held.task.cancel()


class Inline(_Running):
    """Runs each job where it is enqueued."""

    def __init__(self, stages: Stages, now: datetime | None = None) -> None:
        super().__init__(stages, now)
        self._loop = asyncio.get_running_loop()
        self.jobs: list[Enqueued] = []

    def of(self, job: Job[Any, Any]) -> list[Enqueued]:
        """Return those of *job*."""
        return [one for one in self.jobs if one.name == job.name]

    async def _added(self, record: Record) -> None:
        delay_s = max(0.0, (record.due - self.clock.now).total_seconds())
        self.jobs.append(record.shown(delay_s=delay_s))
        outcome = await self._attempt_here(record)
        if isinstance(outcome, Dead):
            error = outcome.error
            text = f"{record.request.name}: {error.error}: {error.message}\n{error.traceback}"
            raise JobError(text)

    async def _attempt_here(self, record: Record) -> Outcome | None:
        if asyncio.get_running_loop() is self._loop:
            return await self._attempt(record)
        # A thread has a loop of its own: processes that it starts are no use to another, and none
        # would end them once it is closed.
        stages = self._stages.anew()
        try:
            return await self._attempt(record, stages)
        finally:
            await stages.close()

    async def _wait_for(self, record: Record, timeout_s: float | None) -> None:
        del timeout_s
        raise JobError(f"{record.request.name} has no result: it runs, or did not end at once")


class _Ticking:
    """A schedule: up to when its ticks are enqueued, when the next one comes, its last job."""

    def __init__(self, periodic: Periodic, last: datetime) -> None:
        self.periodic = periodic
        self.last = last
        self.next_tick = periodic.next_after(last)
        self.job: Record | None = None


class Drained(_Running):
    """
    Jobs that wait for `run`, and how they ended.

    clock: the only time that passes here. done: in the order in which they ended. dead: with the
    error of their last attempt.
    """

    def __init__(
        self, stages: Stages, schedule: Sequence[Periodic] = (), now: datetime | None = None
    ) -> None:
        super().__init__(stages, now)
        self.done: list[Enqueued] = []
        self.dead: list[tuple[Enqueued, Dead]] = []
        self._order = itertools.count()
        self._later: list[_Place] = []
        self._ready: list[_Place] = []
        """Those that are due, with their head starts."""
        self._schedule = [_Ticking(periodic, self.clock.now) for periodic in schedule]

    @property
    def waiting(self) -> list[Enqueued]:
        """Jobs that have not ended, by due time."""
        pending = [one for one in self._records.values() if one.is_pending]
        return [
            one.shown(delay_s=(one.due - self.clock.now).total_seconds())
            for one in sorted(pending, key=lambda one: one.due)
        ]

    async def run(self, *, for_s: float | None = None) -> None:
        """
        Run what waits, and what that enqueues, in order of time; the clock moves along.

        for_s: run only what comes due within this many seconds; the clock stops there. It is needed
        where there is a schedule, which has no end.
        """
        refuse("run", optional(seconds("for_s", for_s), for_s))
        if for_s is None and self._schedule:
            raise ConfigurationError("run: a schedule has no end: say for how long, run(for_s=…)")
        until = None if for_s is None else self.clock.now + timedelta(seconds=for_s)
        steps = itertools.count()
        try:
            while await self._step(until):
                if until is None and next(steps) == _MOST_STEPS:
                    raise JobError(f"run: still not over after {_MOST_STEPS:,} attempts")
        finally:
            await self._stages.close()
        if until is not None:
            self.clock.now = max(self.clock.now, until)

    async def _step(self, until: datetime | None) -> bool:
        """Move the clock to what comes next, and do it; False if nothing does by *until*."""
        for places in (self._ready, self._later):
            while places and not places[0].holds:
                heapq.heappop(places)
        moments = [places[0].due for places in (self._ready, self._later) if places]
        moments += [one.next_tick for one in self._schedule]
        if not moments or (until is not None and min(moments) > until):
            return False
        self.clock.now = max(self.clock.now, min(moments))
        for one in self._schedule:
            if one.next_tick <= self.clock.now:
                await self._enqueue_ticks(one)
        while self._later and self._later[0].due <= self.clock.now:
            place = heapq.heappop(self._later)
            heapq.heappush(self._ready, place.ahead())
        if self._ready and self._ready[0].holds:
            await self._run_one(heapq.heappop(self._ready).record)
        return True

    async def _enqueue_ticks(self, one: _Ticking) -> None:
        periodic, now = one.periodic, self.clock.now
        ticks = periodic.due_ticks(one.last, now)
        one.last, one.next_tick = now, periodic.next_after(now)
        for tick in ticks:
            if periodic.overlap or one.job is None or not one.job.is_pending:
                request = request_at(periodic, tick)
                await self.put(request)
                one.job = self._records[request.job_id]

    async def _run_one(self, record: Record) -> None:
        try:
            outcome = await self._attempt(record)
        finally:
            if record.stage in {Stage.WAITING, Stage.RETRYING}:
                self._push(record)
        if isinstance(outcome, Done):
            self.done.append(record.shown())
        elif isinstance(outcome, Dead):
            self.dead.append((record.shown(), outcome))

    async def _added(self, record: Record) -> None:
        if self._stages.works(record.request.queue):
            self._push(record)

    def _given_anew(self, record: Record) -> None:
        super()._given_anew(record)
        if record.stage in {Stage.WAITING, Stage.RETRYING} and self._stages.works(
            record.request.queue
        ):
            self._push(record)

    def _due_anew(self, records: Sequence[Record]) -> None:
        for record in records:
            self._push(record)

    def _push(self, record: Record) -> None:
        heapq.heappush(self._later, _Place(record.due, next(self._order), record.due, record))

    async def run_next(self, flow_id: str, /) -> None:
        """
        Run what comes next.

        Raises:
            JobError: Nothing is left to run.
        """
        try:
            if not await self._step(None):
                await super().run_next(flow_id)
        finally:
            await self._stages.close()

    async def _wait_for(self, record: Record, timeout_s: float | None) -> None:
        """
        Run what comes due until *record* has ended: so the time that a caller waits passes.

        Raises:
            JobError: It never ends: no worker takes it, or it waits for this very caller.
            TimeoutError: The clock has passed *timeout_s*.
        """
        until = None if timeout_s is None else self.clock.now + timedelta(seconds=timeout_s)
        try:
            await self._run_until_ended(record, until, timeout_s)
        finally:
            await self._stages.close()

    async def _run_until_ended(
        self, record: Record, until: datetime | None, timeout_s: float | None
    ) -> None:
        name = record.request.name
        steps = itertools.count()
        while record.is_pending:
            if until is None and (not self._is_worked(record) or next(steps) == _MOST_STEPS):
                raise JobError(
                    f"{name} never ends: no worker here takes it, or it is retried for ever"
                )
            if record in waiting_jobs.get():
                raise JobError(f"{name} waits for its own result")
            task = None if record.held is None else record.held.task
            if record.stage is Stage.RUNNING and task is not None:
                await asyncio.wait([task])
                await asyncio.sleep(0)  # whoever runs it keeps its outcome
            elif not await self._step(until):
                if until is None:
                    raise JobError(f"{name} waits for a job that waits for its result")
                self.clock.now = max(self.clock.now, until)
                raise TimeoutError(f"{name} had not ended after {timeout_s:g} s")

    def _is_worked(self, record: Record) -> bool:
        return record.stage is not Stage.PARKED and self._stages.works(record.request.queue)


@asynccontextmanager
async def inline(
    resources: Mapping[type[Any], Any] | None = None,
    *,
    middleware: Sequence[Middleware] = (),
    workers: Sequence[type[WorkerSettings]] = (),
    now: datetime | None = None,
) -> AsyncIterator[Inline]:
    """
    Run each job where it is enqueued, once, before `enqueue` returns.

    resources: what jobs get by `ctx.get`. workers: settings classes, whose options the jobs get.
    now: the time of its clock; by default this moment.

    Raises:
        JobError: Raised by `enqueue` if the job fails. There are no delays and no retries.
    """
    stages = Stages(
        resources or {},
        middleware,
        options=replace(_OPTIONS, max_retries=0),
        workers=workers,
        once=True,
    )
    try:
        with running(Inline(stages, now)) as ran:
            yield ran
    finally:
        await stages.close()


@asynccontextmanager
async def drain(
    resources: Mapping[type[Any], Any] | None = None,
    *,
    middleware: Sequence[Middleware] = (),
    workers: Sequence[type[WorkerSettings]] = (),
    schedule: Sequence[Periodic] = (),
    max_retries: int = 3,
    backoff: Backoff | None = None,
    timeout_s: float | None = _OPTIONS.timeout_s,
    now: datetime | None = None,
) -> AsyncIterator[Drained]:
    """
    Keep what is enqueued inside until `run`, which runs it in order of time.

    `handle.result()` runs what comes due until its job has ended, and moves the clock as far.

    resources: what jobs get by `ctx.get`. workers: settings classes: their jobs run by their
    options and middleware, their schedules tick, and no other queue is worked. schedule: periodic
    jobs beside theirs. max_retries, backoff, timeout_s: of jobs that set none, without *workers*; a
    timeout counts the seconds that really pass. now: when the clock begins; by default at this
    moment.
    """
    drained = drained_by(
        resources or {},
        workers,
        middleware=middleware,
        schedule=schedule,
        options=replace(
            _OPTIONS,
            max_retries=max_retries,
            backoff=backoff or _OPTIONS.backoff,
            timeout_s=timeout_s,
            keep_result_s=None,
        ),
        now=now,
    )
    with running(drained):
        yield drained


def drained_by(
    resources: Mapping[type[Any], Any],
    workers: Sequence[type[WorkerSettings]],
    *,
    middleware: Sequence[Middleware] = (),
    schedule: Sequence[Periodic] = (),
    options: WorkerOptions = _OPTIONS,
    now: datetime | None = None,
) -> Drained:
    """Return what `drain` gives, not yet in use."""
    stages = Stages(resources, middleware, options=options, workers=workers)
    ticking = [*schedule, *itertools.chain.from_iterable(one.schedule for one in workers)]
    return Drained(stages, ticking, now)


@contextmanager
def running(kept: Any) -> Iterator[Any]:
    """Keep in *kept* what is enqueued inside."""
    with keys_for_tests(), redirect(kept):
        yield kept
