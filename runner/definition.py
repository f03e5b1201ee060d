"""
`@job`: a coroutine function becomes a typed, registered, enqueueable job.

    @job(queue="analytics")
    async def analyze_channel(ctx: Context, channel_id: str) -> str: ...

    handle = await analyze_channel.enqueue(channel_id="UC…")
    await analyze_channel.options(delay_s=60).enqueue(channel_id="UC…")
"""

from __future__ import annotations

import functools
import inspect
import typing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, SchemaValidator

from runner.client import transport
from runner.enqueue import Enqueue, new_job_id
from runner.errors import ArgumentsError, ConfigurationError
from runner.handle import JobHandle

if typing.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from runner.context import Context
    from runner.retry import Backoff

P = ParamSpec("P")
R = TypeVar("R")

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How the worker treats a job; None leaves it to the queue's settings class."""

    max_retries: int | None = None
    timeout_s: float | None = None
    keep_result_s: float | None = None
    backoff: Backoff | None = None
    redact: frozenset[str] = frozenset()


class Job(Generic[P, R]):
    """
    A job: a coroutine with a name, a queue and the rules of its retries.

    Calling it runs the coroutine here and now, as tests do; `enqueue` leaves it to a worker.
    """

    fails_at_once = False
    """Whether what it raises ends it, as in arq: only `Retry` runs it again."""

    is_chore = False
    """Whether it is a worker's own, such as the poll: nothing to tell of while all is well."""

    def __init__(
        self,
        coroutine: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]],
        *,
        queue: str,
        name: str,
        options: JobOptions,
    ) -> None:
        if not inspect.iscoroutinefunction(coroutine):
            raise ConfigurationError(f"{name}: a job is an `async def` function")
        if not list(inspect.signature(coroutine).parameters)[:1]:
            raise ConfigurationError(f"{name}: a job's first parameter is its Context")
        self.coroutine = coroutine
        self.queue = queue
        self.name = name
        self.options_of_worker = options
        functools.update_wrapper(self, coroutine)

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
        Put one job for each mapping of keyword arguments into the queue, in their order.

        All arguments are checked before the first job goes out; many jobs share one round trip.

        Raises:
            ArgumentsError: The arguments of a call do not fit; nothing was enqueued.
            EnqueueError: Redis did not take all of them; the same ids may be enqueued again.
        """
        bound = BoundJob(self)
        requests = [bound.request((), dict(kwargs)) for kwargs in calls]
        created = await transport().put_many(requests)
        return [
            JobHandle(request.job_id, request.queue, created=new)
            for request, new in zip(requests, created, strict=True)
        ]

    def options(
        self,
        *,
        delay_s: float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        queue: str | None = None,
    ) -> BoundJob[P, R]:
        """
        The same job, to be enqueued in another way.

        delay_s: not before so many seconds from now. at: not before this aware time.
        job_id: refused, with `handle.created` false, while a job of this id is pending.
        queue: into this queue instead of the job's own.

        Raises:
            ConfigurationError: Both delay_s and at, a naive time, a negative delay, an empty id.
        """
        if delay_s is not None and at is not None:
            raise ConfigurationError(f"{self.name}: give delay_s or at, not both")
        if delay_s is not None and delay_s < 0:
            raise ConfigurationError(f"{self.name}: delay_s is {delay_s:g}; it counts from now on")
        if at is not None and at.tzinfo is None:
            raise ConfigurationError(f"{self.name}: `at` needs a time zone, such as datetime.UTC")
        if job_id is not None and not job_id:
            raise ConfigurationError(f"{self.name}: job_id is empty")
        return BoundJob(self, delay_s=delay_s, at=at, job_id=job_id, queue=queue)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Arguments of a call in Python, checked strictly against the signature.

        What the caller left out stays out: its default is that of the code that runs the job.

        Raises:
            ArgumentsError: They do not fit.
        """
        checked_args, checked_kwargs = self._validate(args, kwargs, strict=True)
        return checked_args, {name: checked_kwargs[name] for name in kwargs}

    def parse(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """
        Arguments as read from JSON, made into the types of the signature.

        Raises:
            ArgumentsError: They do not fit.
        """
        return self._validate(args, kwargs, strict=False)

    def prepare(self) -> None:
        """
        Build now what checks arguments; else the first call does, and holds the loop for it.

        Raises:
            ConfigurationError: A name in the signature cannot be found.
        """
        self._validator  # noqa: B018 -- built when it is first asked for

    def _validate(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, strict: bool
    ) -> Arguments:
        try:
            checked: Arguments = self._validator.validate_python(
                ArgsKwargs(args, cast("dict[str, Any]", kwargs)), strict=strict
            )
        except ValidationError as error:
            raise ArgumentsError(self.name, _in_one_line(error)) from None
        return checked

    @functools.cached_property
    def _validator(self) -> SchemaValidator:
        """Built at first use: only then must the names in the annotations exist."""
        signature = inspect.signature(self.coroutine)
        parameters = list(signature.parameters.values())[1:]

        def capture(*args: Any, **kwargs: Any) -> Arguments:
            return args, kwargs

        capture.__annotations__ = {
            parameter.name: parameter.annotation
            for parameter in parameters
            if parameter.annotation is not inspect.Parameter.empty
        }
        try:
            hints = typing.get_type_hints(
                capture, inspect.unwrap(self.coroutine).__globals__, include_extras=True
            )
        except NameError as error:
            raise ConfigurationError(
                f"{self.name}: {error} in its signature: import it outside `if TYPE_CHECKING`, "
                "for arguments are checked against it at run time"
            ) from error
        capture.__annotations__ = hints
        capture.__signature__ = signature.replace(  # type: ignore[attr-defined]  # a function takes it
            parameters=[p.replace(annotation=hints.get(p.name, Any)) for p in parameters],
            return_annotation=inspect.Signature.empty,
        )
        # pydantic takes a function as a type. Of its schema only the arguments' part is kept: with
        # the rest it would call the function with what it has checked.
        schema: Any = TypeAdapter(cast("Any", capture)).core_schema
        if schema["type"] == "definitions":
            return SchemaValidator({**schema, "schema": schema["schema"]["arguments_schema"]})
        return SchemaValidator(schema["arguments_schema"])

    def __repr__(self) -> str:
        return f"<job {self.name} on {self.queue}>"


class BoundJob(Generic[P, R]):
    """A job together with when, under which id and where it is to be enqueued."""

    def __init__(
        self,
        job: Job[P, R],
        *,
        delay_s: float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        queue: str | None = None,
    ) -> None:
        self._job = job
        self._delay_s = delay_s
        self._at = at
        self._job_id = job_id
        self._queue = queue or job.queue

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """As `Job.enqueue`, with the options given."""
        request = self.request(args, kwargs)
        created = await transport().put(request)
        return JobHandle(request.job_id, request.queue, created=created)

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Enqueue:
        """
        What to enqueue, arguments checked; nothing is sent.

        Raises:
            ArgumentsError: They do not fit the signature.
        """
        checked_args, checked_kwargs = self._job.check(args, kwargs)
        return Enqueue(
            queue=self._queue,
            job_id=self._job_id or new_job_id(),
            name=self._job.name,
            args=checked_args,
            kwargs=checked_kwargs,
            due_ms=None if self._at is None else round(self._at.astimezone(UTC).timestamp() * 1000),
            delay_ms=None if self._delay_s is None else round(self._delay_s * 1000),
            unique=self._job_id is not None,
            job=self._job,
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

    name: under which it is registered and enqueued; the function's own by default.
    max_retries, timeout_s (seconds), backoff: instead of the queue's.
    keep_result_s: how long its result is kept, in seconds; 0 not at all.
    redact: names of arguments that no log, report or page may show.
    """

    def decorate(
        coroutine: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]],
    ) -> Job[P, R]:
        options = JobOptions(max_retries, timeout_s, keep_result_s, backoff, frozenset(redact))
        return Job(coroutine, queue=queue, name=name or coroutine.__name__, options=options)

    return decorate


def _in_one_line(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(problems)
