"""
Test jobs, and code that enqueues them, without a worker: three ways, none of which needs Redis.

    with collect() as jobs:            # jobs are only recorded
        await send.enqueue(to="Ada")
    assert jobs.of(send)[0].kwargs == {"to": "Ada"}

    async with inline({Services: services}):          # each job runs where it is enqueued
        await send.enqueue(to="Ada")

    async with drain({Services: services}) as jobs:   # jobs wait, then run in order of time
        await send.enqueue(to="Ada")
        await jobs.run()

Bodies go through JSON and arguments through validation, as with Redis. In `drain`, failed jobs are
retried, delays are kept, and time passes only by `jobs.clock`.
"""

from __future__ import annotations

import heapq
import itertools
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runner.codec import decode_job
from runner.context import Context
from runner.current import redirect
from runner.enqueue import current_batch
from runner.errors import ConfigurationError
from runner.middleware import Middleware, compose
from runner.middleware.validation import Validation
from runner.retry import Backoff, linear
from runner.sealing import keys_for_tests
from runner.worker.attempt import call
from runner.worker.execute import execute
from runner.worker.outcome import Aborted, Dead, Done, Failed, Outcome, Released, Retrying
from runner.worker.policy import Defaults, Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from runner.decorator import Job
    from runner.enqueue import Enqueue

_EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


class JobError(AssertionError):
    """A job that a test ran is dead; the message has its error."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An enqueued job, as a worker would read it; what is sealed in it is opened."""

    name: str
    job_id: str
    queue: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    delay_s: float


@dataclass(slots=True)
class Collected:
    """Enqueued jobs, in order."""

    jobs: list[Enqueued] = field(default_factory=list)

    def of(self, job: Job[Any, Any]) -> list[Enqueued]:
        """Return those of *job*."""
        return [one for one in self.jobs if one.name == job.name]

    async def put(self, request: Enqueue, /) -> bool:
        """Record a job; refuse it if its id is there already."""
        if request.unique and any(one.job_id == request.job_id for one in self.jobs):
            return False
        delay_ms = request.delay_ms or 0
        if request.due_ms is not None:
            delay_ms = max(0, request.due_ms - request.enqueued_ms)
        self.jobs.append(_enqueued(request, delay_s=delay_ms / 1000))
        return True

    async def put_many(self, requests: Sequence[Enqueue], /) -> list[bool]:
        """Record many jobs."""
        return [await self.put(request) for request in requests]


@contextmanager
def collect() -> Iterator[Collected]:
    """Record what is enqueued inside, and run none of it."""
    collected = Collected()
    with keys_for_tests(), redirect(collected):
        yield collected


@asynccontextmanager
async def inline(
    resources: Mapping[type[Any], Any] | None = None, *, middleware: Sequence[Middleware] = ()
) -> AsyncIterator[Collected]:
    """
    Run each job where it is enqueued, once, before `enqueue` returns.

    Raises:
        JobError: Raised by `enqueue` if the job fails. There are no delays and no retries.
    """
    runner = _Inline(_Stage(resources or {}, middleware, Defaults(0, linear(), 0, None)))
    with keys_for_tests(), redirect(runner):
        yield runner.collected


@asynccontextmanager
async def drain(
    resources: Mapping[type[Any], Any] | None = None,
    *,
    middleware: Sequence[Middleware] = (),
    max_retries: int = 3,
    backoff: Backoff | None = None,
) -> AsyncIterator[Drained]:
    """Keep what is enqueued inside until `run`, which runs it in order of time."""
    defaults = Defaults(max_retries, backoff or linear(), 0, None)
    drained = Drained(_Stage(resources or {}, middleware, defaults))
    with keys_for_tests(), redirect(drained):
        yield drained


class Clock:
    """Time in a test: it stands still until the test moves it."""

    def __init__(self, now: datetime = _EPOCH) -> None:
        self.now = now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += timedelta(seconds=seconds)


class Drained:
    """
    Jobs that wait for `run`, and how they ended.

    done: in the order in which they ended. dead: with the error of their last attempt.
    """

    def __init__(self, stage: _Stage) -> None:
        self.clock = Clock()
        self.done: list[Enqueued] = []
        self.dead: list[tuple[Enqueued, Dead]] = []
        self._stage = stage
        self._order = itertools.count()
        self._waiting: list[tuple[datetime, int, Enqueue, int]] = []

    @property
    def waiting(self) -> list[Enqueued]:
        """Jobs that have not ended, by due time."""
        return [
            _enqueued(request, delay_s=(due - self.clock.now).total_seconds())
            for due, _, request, _ in sorted(self._waiting, key=lambda entry: entry[:2])
        ]

    async def put(self, request: Enqueue, /) -> bool:
        """Add a job; refuse it if its id waits already."""
        if request.unique and any(one.job_id == request.job_id for one in self.waiting):
            return False
        if request.due_ms is not None:
            due = datetime.fromtimestamp(request.due_ms / 1000, UTC)
        else:
            due = self.clock.now + timedelta(milliseconds=request.delay_ms or 0)
        self._push(due, request, attempt=1)
        return True

    async def put_many(self, requests: Sequence[Enqueue], /) -> list[bool]:
        """Add many jobs."""
        return [await self.put(request) for request in requests]

    async def run(self, *, for_s: float | None = None) -> None:
        """
        Run what waits, and what that enqueues, in order of time; the clock moves along.

        for_s: run only what comes due within this many seconds; the clock stops there.
        """
        until = None if for_s is None else self.clock.now + timedelta(seconds=for_s)
        while self._waiting and (until is None or self._waiting[0][0] <= until):
            due, _, request, attempt = heapq.heappop(self._waiting)
            self.clock.now = max(self.clock.now, due)
            await self._run_one(request, attempt)
        if until is not None:
            self.clock.now = max(self.clock.now, until)

    async def _run_one(self, request: Enqueue, attempt: int) -> None:
        outcome = await self._stage.run(request, attempt)
        match outcome:
            case Done():
                self.done.append(_enqueued(request))
            case Retrying(delay_s=delay_s):
                due = self.clock.now + timedelta(seconds=delay_s)
                self._push(due, request, attempt=attempt + 1)
            case Released(delay_s=delay_s):
                self._push(self.clock.now + timedelta(seconds=delay_s), request, attempt=attempt)
            case Dead():
                self.dead.append((_enqueued(request), outcome))
            case Aborted() | Failed() | None:
                raise AssertionError("unreachable: nothing here aborts, or is a plain arq function")

    def _push(self, due: datetime, request: Enqueue, *, attempt: int) -> None:
        heapq.heappush(self._waiting, (due, next(self._order), request, attempt))


class _Inline:
    def __init__(self, stage: _Stage) -> None:
        self._stage = stage
        self.collected = Collected()

    async def put(self, request: Enqueue, /) -> bool:
        if not await self.collected.put(request):
            return False
        outcome = await self._stage.run(request, 1, retries=False)
        if isinstance(outcome, Dead):
            error = outcome.error
            raise JobError(f"{request.name}: {error.error}: {error.message}\n{error.traceback}")
        return True

    async def put_many(self, requests: Sequence[Enqueue], /) -> list[bool]:
        return [await self.put(request) for request in requests]


class _Stage:
    """Runs one attempt as a worker would, without Redis."""

    def __init__(
        self,
        resources: Mapping[type[Any], Any],
        middleware: Sequence[Middleware],
        defaults: Defaults,
    ) -> None:
        self._resources = resources
        self._handler = compose((Validation(keep_result_s=None), *middleware), call)
        self._defaults = defaults

    async def run(self, request: Enqueue, attempt: int, *, retries: bool = True) -> Outcome | None:
        if request.job is None:
            raise ConfigurationError(f"{request.name}: only jobs made by @job run in a test")
        policy = Policy.of(request.job, self._handler, self._defaults)
        if not retries:
            policy = replace(policy, max_retries=0)
        envelope = decode_job(request.body())
        ctx = Context(
            job=request.job,
            job_id=request.job_id,
            queue=request.queue,
            attempt=attempt,
            max_retries=policy.max_retries,
            enqueued_ms=envelope.enqueued_ms,
            args=tuple(envelope.args),
            kwargs=envelope.kwargs,
            resources=self._resources,
            batch_id=envelope.batch_id,
            trace=envelope.trace,
        )
        token = current_batch.set(envelope.batch_id)
        try:
            return await execute(policy, ctx)
        finally:
            current_batch.reset(token)


def _enqueued(request: Enqueue, *, delay_s: float = 0.0) -> Enqueued:
    envelope = decode_job(request.body())
    args, kwargs = tuple(envelope.args), envelope.kwargs
    if request.job is not None:
        args, kwargs = request.job.schema.opened(args, kwargs, request.job_id)
    return Enqueued(
        name=request.name,
        job_id=request.job_id,
        queue=request.queue,
        args=args,
        kwargs=kwargs,
        delay_s=delay_s,
    )
