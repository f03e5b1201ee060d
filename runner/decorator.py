"""
`@job`: a function becomes a typed, registered job that can be enqueued.

    @job(queue="mail")
    async def send(ctx: Context, to: str) -> str: ...

    handle = await send.enqueue(to="ada@example.com")
    await send.options(delay_s=60).enqueue(to="ada@example.com")
    handle = send.enqueue_sync(to="ada@example.com")    # where no event loop runs
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from runner import chance, checks
from runner.broker import keys
from runner.checks import moment, optional, seconds, shown, text, unix_ms, whole
from runner.current import put_blocking, transport
from runner.definition import JobDefinition, JobOptions
from runner.enqueue import NONCE_DIGITS, Enqueue, Wiring, set_limits
from runner.errors import ArgumentsError, ConfigurationError, DuplicateJobError, refuse
from runner.handle import JobHandle
from runner.lanes import Lane
from runner.partitions import MOST_PRIORITY, Queue, head_start_ms
from runner.references import Input, put_in, taken_out
from runner.schema import NotYetError
from runner.unique import Unique

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
        function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R] | R],
        *,
        queue: str,
        name: str,
        options: JobOptions,
    ) -> None:
        super().__init__(function, queue=queue, name=name, options=options)
        # Refuse a type that cannot travel where it is written, unless it is not yet defined there.
        with suppress(NotYetError):
            self.prepare()

    @cached_property
    def _bound(self) -> BoundJob[P, R]:
        own = self.options_of_worker
        return BoundJob(
            self,
            unique=own.unique,
            lane=own.lane,
            start_within_s=own.start_within_s,
            deadline_s=own.deadline_s,
            priority=own.priority,
        )

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run the coroutine in this process, without a queue."""
        return self.coroutine(ctx, *args, **kwargs)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, JobHandle[R]]:
        """
        Put the job into its queue. When this returns, awaited, it is in Redis.

        Raises:
            ArgumentsError: The arguments do not fit the coroutine's signature.
            EnqueueError: Redis did not take the job.
        """
        return self._bound.enqueue(*args, **kwargs)

    async def enqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[JobHandle[R]]:
        """
        Put one job into the queue for each mapping of keyword arguments, in this order.

        All arguments are checked before the first job is sent; many jobs share one round trip.

        Raises:
            ArgumentsError: The arguments of a call do not fit; nothing was enqueued.
            EnqueueError: Redis did not take all of them; the same ids may be enqueued again.
        """
        return await self._bound.enqueue_many(calls)

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """
        Enqueue as `enqueue` does, from a thread without an event loop, which waits meanwhile.

        Any number of threads may call this; they share a few connections.

        Raises:
            ConfigurationError: An event loop runs in this thread, or `REDIS_URL` is not set.
        """
        return self._bound.enqueue_sync(*args, **kwargs)

    def enqueue_many_sync(self, calls: Iterable[Mapping[str, Any]]) -> list[JobHandle[R]]:
        """Enqueue as `enqueue_many` does, from a thread without an event loop."""
        return self._bound.enqueue_many_sync(calls)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """
        Return this job with these arguments as a value, to be enqueued later or elsewhere.

        Raises:
            ArgumentsError: They do not fit the signature.
        """
        return self._bound.call(*args, **kwargs)

    def options(
        self,
        *,
        delay_s: float | None = None,
        at: datetime | None = None,
        job_id: str | None = None,
        queue: str | None = None,
        copies: int = 0,
        unique: Unique | Literal[False] | None = None,
        lane: Lane | Literal[False] | None = None,
        start_within_s: float | None = None,
        deadline_s: float | None = None,
        priority: int | None = None,
    ) -> BoundJob[P, R]:
        """
        Return the same job, to be enqueued with these options.

        delay_s: not before this many seconds from now. at: not before this aware time.
        job_id: refused, with `handle.created` false, while a job of this id is pending.
        queue: into this queue instead of the job's own. copies: `enqueue` returns when so many
        replicas of Redis have the job, too, or raises `EnqueueError` after a second.
        unique, lane: in place of the job's own; False for none. start_within_s, deadline_s,
        priority: likewise; see `job`.

        Raises:
            ConfigurationError: Both delay_s and at, a naive time, a delay that is no time, an id or
                a queue's name that cannot be one, a unique key or a lane that names no argument,
                or a deadline that passes before the job is due.
        """
        rules = self.options_of_worker
        own = rules.unique if unique is None else unique
        in_lane = rules.lane if lane is None else lane
        within_s = rules.start_within_s if start_within_s is None else start_within_s
        until_s = rules.deadline_s if deadline_s is None else deadline_s
        refuse(
            self.name,
            "give delay_s or at, not both" if delay_s is not None and at is not None else None,
            optional(seconds("delay_s", delay_s), delay_s),
            optional(moment("at", at), at),
            optional(text("job_id", job_id), job_id),
            optional(keys.queue_problem("queue", queue), queue),
            whole("copies", copies),
            self._unique_problem(None if own is False else own, queue or self.queue),
            self._lane_problem(in_lane or None, own or None, queue or self.queue),
            optional(seconds("start_within_s", within_s, above=0), within_s),
            optional(seconds("deadline_s", until_s, above=0), until_s),
            optional(whole("priority", priority, most=MOST_PRIORITY), priority),
            None
            if delay_s is None or until_s is None or delay_s < until_s
            else f"the deadline, in {until_s:g} s, passes before the job is due, in {delay_s:g} s",
        )
        return BoundJob(
            self,
            delay_s=delay_s,
            at=at,
            job_id=job_id,
            queue=queue,
            copies=copies,
            unique=own or None,
            lane=in_lane or None,
            start_within_s=within_s,
            deadline_s=until_s,
            priority=rules.priority if priority is None else priority,
        )

    def prepare(self) -> None:
        """
        Build now what checks arguments, as a definition does.

        Raises:
            ConfigurationError: Likewise, or its unique key or its lane names no argument.
        """
        super().prepare()
        own = self.options_of_worker
        refuse(
            self.name,
            self._unique_problem(own.unique, self.queue),
            self._lane_problem(own.lane, own.unique, self.queue),
        )

    def _unique_problem(self, unique: Unique | None, queue: str) -> str | None:
        if unique is None:
            return None
        problem = checks.instance("unique", unique, Unique) or self.unique_problem(unique)
        by = queue.by if isinstance(queue, Queue) else None
        if problem is None and by is not None and unique.by is not None and by not in unique.by:
            return (
                f"unique: the queue {queue} is partitioned by {by!r}, which is no part of the key: "
                "one key would be in several partitions: add it to by"
            )
        return problem

    def _lane_problem(self, lane: Lane | None, unique: Unique | None, queue: str) -> str | None:
        if lane is None:
            return None
        problem = checks.instance("lane", lane, Lane) or self.lane_problem(lane)
        if problem is not None or not isinstance(queue, Queue):
            return problem
        if queue.by is not None and queue.by not in lane.by:
            return (
                f"lane: the queue {queue} is partitioned by {queue.by!r}, which is no part of the "
                "lane: one lane would be in several partitions: add it to by"
            )
        if queue.by is None and unique is not None and not {*lane.by} <= {*(unique.by or lane.by)}:
            return (
                f"lane: the queue {queue} is partitioned by the lane, so one unique key would be "
                "in several partitions: add the lane's arguments to those of unique"
            )
        return None


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
        unique: Unique | None = None,
        lane: Lane | None = None,
        start_within_s: float | None = None,
        deadline_s: float | None = None,
        priority: int = 0,
    ) -> None:
        self._copies = copies
        self._priority = priority
        self._start_within_s = start_within_s
        self._deadline_s = deadline_s
        self._unique = unique
        self._lane = lane
        self.job = job
        self._delay_s = delay_s
        self._at = at
        self._job_id = job_id
        self.queue = queue or job.queue

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Enqueue as `Job.enqueue` does, with these options."""
        request = self.request(args, kwargs)
        created = await transport().put(request)
        if request.held_by is None:
            return JobHandle.of(request, created, self.job)
        self._refuse_duplicates([request])
        return _handle(request, created, self.job)

    async def enqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[JobHandle[R]]:
        """Enqueue as `Job.enqueue_many` does, with these options; not with `job_id`."""
        requests = self._requests(calls)
        return self._handles(requests, await transport().put_many(requests))

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Enqueue as `Job.enqueue_sync` does, with these options."""
        requests = [self.request(args, kwargs)]
        [handle] = self._handles(requests, put_blocking(requests))
        return handle

    def enqueue_many_sync(self, calls: Iterable[Mapping[str, Any]]) -> list[JobHandle[R]]:
        """Enqueue as `Job.enqueue_many_sync` does, with these options; not with `job_id`."""
        requests = self._requests(calls)
        return self._handles(requests, put_blocking(requests))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Return a value as `Job.call` does, with these options."""
        plain, named, inputs = taken_out(args, kwargs)
        found = Call(self, plain, named, inputs)
        self.job.schema_without(found.filled).check(plain, named)
        return found

    def callback(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], job_id: str) -> Enqueue:
        """
        Return what a script enqueues later, under *job_id*.

        Raises:
            ConfigurationError: It has an option that a callback cannot have.
        """
        given = {"delay_s": self._delay_s, "at": self._at, "job_id": self._job_id}
        refuse(
            self.job.name,
            *[
                f"leave {name} out: a callback is due at once, under an id of its own"
                for name, value in given.items()
                if value is not None
            ],
            "leave copies out: nobody waits for a callback" if self._copies else None,
            self._problem_as("a callback"),
        )
        return _under(self._request(*self.job.schema.check(args, kwargs), job_id=job_id))

    def planned(self, call: Call[R], job_id: str, wiring: Wiring) -> Enqueue:
        """
        Return what a script enqueues as a node of a flow, under *job_id*.

        Raises:
            ConfigurationError: It has an option that a node cannot have.
        """
        refuse(
            self.job.name,
            "leave at out: give delay_s, which counts once what it needs is there"
            if self._at is not None
            else None,
            None if self._job_id is None else "leave job_id out: a node has an id of its own",
            "leave copies out: nobody waits for a node" if self._copies else None,
            self._problem_as("a node"),
            None
            if self._lane is None or not wiring.parameters.intersection(self._lane.arguments)
            else "its lane depends on what another node returns, which nobody knows yet: call it "
            "by options(lane=False), or name other arguments in by",
        )
        checked = self.job.schema_without(wiring.parameters).check(call.args, call.kwargs)
        return _under(self._request(*checked, job_id=job_id), wiring)

    def _problem_as(self, what: str) -> str | None:
        if self._unique is None:
            return None
        return (
            f"it is unique, and {what} cannot be: if another job had its key, what comes next "
            "would wait for ever: call it by options(unique=False)"
        )

    def _requests(self, calls: Iterable[Mapping[str, Any]]) -> list[Enqueue]:
        refuse(
            self.job.name,
            None if self._job_id is None else "job_id is of one job: leave it out of enqueue_many",
        )
        requests = []
        for number, kwargs in enumerate(calls, 1):
            if type(kwargs) is not dict and not isinstance(kwargs, Mapping):
                problem = f"call {number} is {shown(kwargs)}: give a mapping of names to values"
                raise ArgumentsError(self.job.name, problem)
            requests.append(self.request((), dict(kwargs)))
        return requests

    def _handles(self, requests: list[Enqueue], created: list[bool]) -> list[JobHandle[R]]:
        if self._unique is not None:
            self._refuse_duplicates(requests)
        return [
            _handle(request, new, self.job) for request, new in zip(requests, created, strict=True)
        ]

    def _refuse_duplicates(self, requests: list[Enqueue]) -> None:
        """
        Raise if one of *requests* found its unique key held, and that is to be an error.

        Raises:
            DuplicateJobError: It did.
        """
        held = [
            request
            for request in requests
            if request.held_by is not None and not request.is_lane_full
        ]
        if held and self._unique is not None and self._unique.on_conflict == "raise":
            job_id, queue = held[0].held_by or ("", "")
            more = f", and {len(held) - 1:,} more jobs of this call likewise" if held[1:] else ""
            raise DuplicateJobError(
                f"{self.job.name}: not enqueued: the job {job_id} of {queue} has its unique key"
                f"{more}",
                held_by=job_id,
                job_ids=[request.job_id for request in held],
            )

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Enqueue:
        """
        Return what to enqueue, with checked arguments; send nothing.

        Raises:
            ArgumentsError: They do not fit the signature.
        """
        return self._request(*self.job.schema.check(args, kwargs))

    def _request(
        self,
        checked_args: tuple[Any, ...],
        checked_kwargs: dict[str, Any],
        *,
        job_id: str | None = None,
    ) -> Enqueue:
        job_id = job_id or self._job_id or chance.new_id()
        request = Enqueue(
            self.queue,
            job_id,
            self.job.name,
            checked_args,
            checked_kwargs,
            None if self._at is None else unix_ms(self._at),
            None if self._delay_s is None else round(self._delay_s * 1000),
            self._job_id is not None,
            copies=self._copies,
            job=self.job,
            only_one=self._unique,
            lane=self._lane,
            ahead_ms=self._priority and head_start_ms(self.queue, self._priority),
        )
        if self._start_within_s is not None or self._deadline_s is not None:
            set_limits(request, self._start_within_s, self._deadline_s)
        if isinstance(self.queue, Queue):
            request.queue = self._partition(self.queue, request)
        return request

    def _partition(self, queue: Queue, request: Enqueue) -> str:
        """Jobs of one lane are in one partition, and so are jobs with one unique key."""
        if self._lane is not None and queue.by is None:
            return queue.of(request.lane_key(request.body()))
        if self._unique is not None and queue.by is None:
            return queue.of(request.unique_key(request.body()))
        arguments = self.job.by_name(request.args, request.kwargs) if queue.by else {}
        return queue.of_call(request.job_id, {**self.job.defaults, **arguments})


def _handle(request: Enqueue, created: bool, job: Job[Any, R]) -> JobHandle[R]:  # noqa: FBT001 -- an answer
    """Return the handle of what was enqueued, or of what is there in its place."""
    if request.held_by is None:
        return JobHandle.of(request, created, job)
    return JobHandle(*request.held_by, created, job)


def _under(request: Enqueue, wiring: Wiring | None = None) -> Enqueue:
    """Return *request* as a script enqueues it later, under the id that it has."""
    request.wiring = wiring
    if request.deadline_ms is not None:
        request.limits = (request.limits or {}) | {"dl": request.deadline_ms}
        request.deadline_ms = None
    request.batch_id = None
    request.unique, request.nonce = True, chance.new_id(NONCE_DIGITS)
    return request


class Call(Generic[R]):
    """
    A job with its options and arguments, checked, as a value.

    Each `enqueue` adds a job of its own, unless the options have a `job_id`. inputs: results of
    other jobs of a flow, where the arguments have None.
    """

    def __init__(
        self,
        bound: BoundJob[Any, R],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        inputs: tuple[Input, ...] = (),
    ) -> None:
        self._bound = bound
        self.args = args
        self.kwargs = dict(kwargs)
        self.inputs = inputs

    @property
    def job(self) -> Job[Any, R]:
        """The job that is called."""
        return self._bound.job

    @property
    def queue(self) -> str:
        """The queue that it goes into."""
        return self._bound.queue

    @property
    def filled(self) -> frozenset[str]:
        """The parameters that get results of other jobs."""
        job = self.job
        return frozenset(
            str(one.where[1]) if one.where[0] == "k" else job.parameter_at(int(one.where[1]))
            for one in self.inputs
        )

    def with_inputs(self, inputs: Iterable[tuple[tuple[str | int, ...], Any]]) -> Call[R]:
        """Return the same call with these values, or references, in place of its inputs."""
        args, kwargs = put_in(self.args, self.kwargs, [*inputs])
        return self._bound.call(*args, **kwargs)

    def planned(self, job_id: str, wiring: Wiring) -> Enqueue:
        """Return it as `BoundJob.planned` does."""
        return self._bound.planned(self, job_id, wiring)

    def _refuse_inputs(self) -> None:
        """
        Refuse to go into a queue by itself.

        Raises:
            ConfigurationError: It needs results of other jobs.
        """
        if self.inputs:
            raise ConfigurationError(
                f"{self.job.name} needs {self.inputs[0].reference!r}: add the call to the flow"
            )

    def callback(self, job_id: str) -> Enqueue:
        """Return it as `BoundJob.callback` does."""
        self._refuse_inputs()
        return self._bound.callback(self.args, self.kwargs, job_id)

    async def enqueue(self) -> JobHandle[R]:
        """Enqueue it as `Job.enqueue` does."""
        self._refuse_inputs()
        return await self._bound.enqueue(*self.args, **self.kwargs)

    def enqueue_sync(self) -> JobHandle[R]:
        """Enqueue it as `Job.enqueue_sync` does."""
        self._refuse_inputs()
        return self._bound.enqueue_sync(*self.args, **self.kwargs)

    def __repr__(self) -> str:
        # Without the arguments, which may be secret.
        return f"<call of {self.job.name}>"


class JobDecorator(Protocol):
    """Makes a function a job."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Job[P, R]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Job[P, R]: ...


def job(
    *,
    queue: str,
    name: str | None = None,
    max_retries: int | None = None,
    timeout_s: float | None = None,
    keep_result_s: float | None = None,
    backoff: Backoff | None = None,
    redact: Iterable[str] = (),
    unique: Unique | None = None,
    lane: Lane | None = None,
    start_within_s: float | None = None,
    deadline_s: float | None = None,
    priority: int = 0,
) -> JobDecorator:
    """
    Make a function a job of *queue*: a coroutine function, or a plain one that runs in a thread.

    queue: its name, or a `Queue` in partitions. name: under which it is registered and enqueued; by
    default the function's own. max_retries, timeout_s (seconds), backoff: instead of the queue's.
    keep_result_s: how long to keep its result, in seconds; 0 not at all. redact: names of arguments
    that no log, report or page shows. unique: which of its jobs count as the same, of which one
    waits or runs at a time. lane: which of its jobs share a lane, and how many of these run at a
    time. start_within_s: an attempt that has not started so many seconds after
    it was due never does: the job has expired. deadline_s: likewise, so many seconds after it was
    enqueued; an attempt that runs is cancelled then. Redis's clock decides. priority: for each step
    it goes before what has waited up to ten minutes longer, or as long as its `Queue` says.

    Raises:
        ConfigurationError: An option is out of its range, or a type of the signature cannot come
            back from JSON.
    """

    def decorate(function: Callable[..., Any]) -> Job[Any, Any]:
        own = getattr(function, "__name__", "job") if name is None else name
        refuse(
            own if isinstance(own, str) else "@job",
            keys.queue_problem("queue", queue),
            text("name", own),
            optional(whole("max_retries", max_retries), max_retries),
            optional(seconds("timeout_s", timeout_s, above=0), timeout_s),
            optional(seconds("keep_result_s", keep_result_s), keep_result_s),
            optional(checks.function("backoff", backoff), backoff),
            "redact is one text: give a list of names" if isinstance(redact, str) else None,
            optional(checks.instance("unique", unique, Unique), unique),
            optional(checks.instance("lane", lane, Lane), lane),
            optional(seconds("start_within_s", start_within_s, above=0), start_within_s),
            optional(seconds("deadline_s", deadline_s, above=0), deadline_s),
            whole("priority", priority, most=MOST_PRIORITY),
        )
        options = JobOptions(
            max_retries,
            timeout_s,
            keep_result_s,
            backoff,
            frozenset(redact),
            unique,
            lane,
            start_within_s,
            deadline_s,
            priority,
        )
        return Job(function, queue=queue, name=own, options=options)

    return decorate
