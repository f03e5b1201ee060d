"""
`@job`: a coroutine function becomes a typed, registered job that can be enqueued.

    @job(queue="analytics")
    async def analyze_channel(ctx: Context, channel_id: str) -> str: ...

    handle = await analyze_channel.enqueue(channel_id="UC…")
    await analyze_channel.options(delay_s=60).enqueue(channel_id="UC…")
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from runner import chance
from runner.broker import keys
from runner.checks import function, moment, optional, seconds, shown, text, unix_ms, whole
from runner.current import transport
from runner.definition import JobDefinition, JobOptions
from runner.enqueue import Enqueue
from runner.errors import ArgumentsError, refuse
from runner.handle import JobHandle
from runner.schema import NotYetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import datetime

    from runner.context import Context
    from runner.retry import Backoff

P = ParamSpec("P")
R = TypeVar("R")


class Job(JobDefinition, Generic[P, R]):
    """
    A job: a coroutine with a name, a queue and the rules of its retries.

    Calling it runs the coroutine here, as tests do; `enqueue` leaves it to a worker.
    """

    coroutine: Callable[..., Coroutine[Any, Any, R]]

    def __init__(
        self,
        coroutine: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]],
        *,
        queue: str,
        name: str,
        options: JobOptions,
    ) -> None:
        super().__init__(coroutine, queue=queue, name=name, options=options)
        # Refuse a type that cannot travel where it is written, unless it is not yet defined there.
        with suppress(NotYetError):
            self.prepare()

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run the coroutine in this process, without a queue."""
        return self.coroutine(ctx, *args, **kwargs)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """
        Put the job into its queue. When this returns, it is in Redis.

        Raises:
            ArgumentsError: The arguments do not fit the coroutine's signature.
            EnqueueError: Redis did not take the job.
        """
        return await BoundJob(self).enqueue(*args, **kwargs)

    async def enqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[JobHandle[R]]:
        """
        Put one job into the queue for each mapping of keyword arguments, in this order.

        All arguments are checked before the first job is sent; many jobs share one round trip.

        Raises:
            ArgumentsError: The arguments of a call do not fit; nothing was enqueued.
            EnqueueError: Redis did not take all of them; the same ids may be enqueued again.
        """
        bound = BoundJob(self)
        requests = []
        for number, kwargs in enumerate(calls, 1):
            if type(kwargs) is not dict and not isinstance(kwargs, Mapping):
                problem = f"call {number} is {shown(kwargs)}: give a mapping of names to values"
                raise ArgumentsError(self.name, problem)
            requests.append(bound.request((), dict(kwargs)))
        created = await transport().put_many(requests)
        return [
            JobHandle(request.job_id, request.queue, new, self)
            for request, new in zip(requests, created, strict=True)
        ]

    def options(
        self,
        *,
        delay_s: float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        queue: str | None = None,
        copies: int = 0,
    ) -> BoundJob[P, R]:
        """
        Return the same job, to be enqueued with these options.

        delay_s: not before this many seconds from now. at: not before this aware time.
        job_id: refused, with `handle.created` false, while a job of this id is pending.
        queue: into this queue instead of the job's own. copies: `enqueue` returns when so many
        replicas of Redis have the job, too, or raises `EnqueueError` after a second.

        Raises:
            ConfigurationError: Both delay_s and at, a naive time, a delay that is no time, an id or
                a queue's name that cannot be one.
        """
        refuse(
            self.name,
            "give delay_s or at, not both" if delay_s is not None and at is not None else None,
            optional(seconds("delay_s", delay_s), delay_s),
            optional(moment("at", at), at),
            optional(text("job_id", job_id), job_id),
            optional(keys.queue_problem("queue", queue), queue),
            whole("copies", copies),
        )
        return BoundJob(self, delay_s=delay_s, at=at, job_id=job_id, queue=queue, copies=copies)


class BoundJob(Generic[P, R]):
    """A job, and when, under which id and into which queue to enqueue it."""

    def __init__(
        self,
        job: Job[P, R],
        *,
        delay_s: float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        queue: str | None = None,
        copies: int = 0,
    ) -> None:
        self._copies = copies
        self.job = job
        self._delay_s = delay_s
        self._at = at
        self._job_id = job_id
        self.queue = queue or job.queue

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Enqueue as `Job.enqueue` does, with these options."""
        request = self.request(args, kwargs)
        created = await transport().put(request)
        return JobHandle(request.job_id, request.queue, created, self.job)

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Enqueue:
        """
        Return what to enqueue, with checked arguments; send nothing.

        Raises:
            ArgumentsError: They do not fit the signature.
        """
        checked_args, checked_kwargs = self.job.schema.check(args, kwargs)
        return Enqueue(
            queue=self.queue,
            job_id=self._job_id or chance.new_id(),
            name=self.job.name,
            args=checked_args,
            kwargs=checked_kwargs,
            due_ms=None if self._at is None else unix_ms(self._at),
            delay_ms=None if self._delay_s is None else round(self._delay_s * 1000),
            unique=self._job_id is not None,
            copies=self._copies,
            job=self.job,
        )


def job(
    *,
    queue: str,
    name: str | None = None,
    max_retries: int | None = None,
    timeout_s: float | None = None,
    keep_result_s: float | None = None,
    backoff: Backoff | None = None,
    redact: Iterable[str] = (),
) -> Callable[[Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]], Job[P, R]]:
    """
    Make a coroutine function a job of *queue*.

    name: under which it is registered and enqueued; by default the function's own. max_retries,
    timeout_s (seconds), backoff: instead of the queue's. keep_result_s: how long to keep its
    result, in seconds; 0 not at all. redact: names of arguments that no log, report or page shows.

    Raises:
        ConfigurationError: An option is out of its range, or a type of the signature cannot come
            back from JSON.
    """

    def decorate(
        coroutine: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]],
    ) -> Job[P, R]:
        own = getattr(coroutine, "__name__", "job") if name is None else name
        refuse(
            own if isinstance(own, str) else "@job",
            keys.queue_problem("queue", queue),
            text("name", own),
            optional(whole("max_retries", max_retries), max_retries),
            optional(seconds("timeout_s", timeout_s, above=0), timeout_s),
            optional(seconds("keep_result_s", keep_result_s), keep_result_s),
            optional(function("backoff", backoff), backoff),
            "redact is one text: give a list of names" if isinstance(redact, str) else None,
        )
        options = JobOptions(max_retries, timeout_s, keep_result_s, backoff, frozenset(redact))
        return Job(coroutine, queue=queue, name=own, options=options)

    return decorate
