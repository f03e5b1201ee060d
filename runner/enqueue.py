"""What is enqueued: one job on its way into a queue, and where it may go."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import to_json

from runner import chance, wall_clock
from runner.broker.keys import whole_queue
from runner.codec import decode, encode, encode_job
from runner.lineage import passed_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.batch_books import BatchProgress
    from runner.definition import JobDefinition
    from runner.lanes import Lane
    from runner.unique import Unique

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The largest body that a client sends, unless it was made with another limit."""

CALL_TIMEOUT_S = 10.0
"""How long a client's call waits for Redis in all, if the client says nothing else."""

NONCE_DIGITS = 12

current_batch: ContextVar[str | None] = ContextVar("current_batch", default=None)
"""The batch that jobs enqueued from now on belong to."""

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The W3C traceparent that jobs enqueued from now on continue."""

current_job: ContextVar[tuple[str, int] | None] = ContextVar("current_job", default=None)
"""The job that runs here: its id, and when it was enqueued, Unix ms."""


@dataclass(slots=True)
class Enqueue:
    """
    One job on its way into a queue.

    unique: the caller chose *job_id*: refuse the job while one of that id is pending.
    schedule, tick_ms: a tick of a periodic job: refuse it if the same or a later one was enqueued,
    or, without *overlap*, while the job of an earlier one has not ended. period_ms: between ticks.
    copies: return only when so many replicas have it. only_one: its unique key, and what to do if
    that is held; held_by: the id and queue of the job that holds it, once Redis has said so. lane:
    in which it waits until there is a place; is_lane_full: it is skipped, since there was none.
    ahead_ms: once it is due, it stands in its queue as if that had been so much earlier.
    deadline_ms: from now until no attempt starts any more. limits: what the body says of when one
    may start: `sw`, and `dl` if a script enqueues it later.
    """

    queue: str
    job_id: str
    name: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    due_ms: int | None = None
    delay_ms: int | None = None
    unique: bool = False
    as_arq: bool = False
    expires_ms: int | None = None
    attempt: int | None = None
    batch_id: str | None = None
    trace: str | None = None
    nonce: str | None = None
    schedule: str | None = None
    tick_ms: int | None = None
    period_ms: int | None = None
    overlap: bool = True
    copies: int = 0
    enqueued_ms: int = field(default_factory=wall_clock.now_ms)
    job: JobDefinition | None = None
    wiring: Wiring | None = None
    only_one: Unique | None = None
    lane: Lane | None = None
    deadline_ms: int | None = None
    ahead_ms: int = 0
    limits: dict[str, int] | None = None
    held_by: tuple[str, str] | None = None
    is_lane_full: bool = False

    def __post_init__(self) -> None:
        if self.batch_id is None:
            self.batch_id = current_batch.get()
        if self.trace is None:
            self.trace = current_trace.get() or _traceparent_of_span()
            by = current_job.get()
            if by is not None:
                self.trace = passed_on(self.trace, *by)
        if self.nonce is None and self.unique:
            self.nonce = chance.new_id(NONCE_DIGITS)

    def body(self) -> bytes:
        """
        Return the job's body as Redis stores it.

        Raises:
            ArgumentsError: An argument does not come back equal from JSON.
            CodecError: An argument has no JSON form.
        """
        if self.job is None:
            return encode_job(self)
        if self.wiring is None:
            return self.job.schema.body(self)
        return self.wiring.added_to(self.job.schema_without(self.wiring.parameters).body(self))

    def unique_key(self, body: bytes) -> str:
        """Return the unique key of a job that has one, and this body."""
        assert self.only_one is not None  # noqa: S101 -- or the caller would not ask
        queue, given = whole_queue(self.queue), {}
        if self.job is not None:
            given = self.job.defaults | self.job.by_name(self.args, self.kwargs)
        return self.only_one.key(queue, self.name, given, self._written(body))

    def lane_key(self, body: bytes) -> str:
        """Return the lane of a job that has one, and this body."""
        assert self.lane is not None  # noqa: S101 -- or the caller would not ask
        hide = self.job is not None and self.job.hides(self.lane.by)
        return self.lane.key(self.name, self._written(body) if self.lane.by else {}, hide=hide)

    def lane_rule(self, body: bytes) -> str:
        """
        Return what the script is sent of the lane of a job with this body; '' if it has none.

        Raises:
            ArgumentsError: An argument does not say how many units of a rate it counts.
        """
        if self.lane is None:
            return ""
        written = self._written(body) if self.lane.arguments else {}
        return self.lane.rule(self.lane_key(body), self.name, written)

    def lane_call(self, body: bytes) -> str:
        """Return what a call is sent of the lane: its rule, behind what to do at the limit."""
        how = "wait" if self.lane is None else self.lane.at_limit
        rule = self.lane_rule(body)
        return rule if how == "wait" else f"{how}\n{self.name}\n{rule}"

    def lane_time(self, body: bytes) -> timedelta:
        """Return for how long a job with this body uses its lane's tokens up."""
        rate = None if self.lane is None else self.lane.rate
        if rate is None:
            return timedelta()
        written = self._written(body) if rate.units else {}
        return rate.unit * rate.units_of(self.name, written)

    def _written(self, body: bytes) -> dict[Any, Any]:
        """Return all arguments in *body* by name, as JSON values."""
        fields, job = decode(body), self.job
        if job is None:
            return {**dict(enumerate(fields["a"], 1)), **fields["k"]}
        written: dict[Any, Any] = job.by_name(fields["a"], fields["k"])
        if job.defaults:
            written = json.loads(to_json(job.defaults, fallback=_no_json)) | written
        return written


def set_limits(request: Enqueue, start_within_s: float | None, deadline_s: float | None) -> None:
    """Let no attempt at *request* start later than that."""
    if start_within_s is not None:
        request.limits = {"sw": max(1, round(start_within_s * 1000))}
    if deadline_s is not None:
        request.deadline_ms = max(1, round(deadline_s * 1000))


def _no_json(_: object) -> None:
    """A default that cannot be given in a call makes no difference."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """
    What a node of a flow gets from others, and passes on: see `passing`.

    parameters: those that get something. passes: None if nobody needs its result.
    """

    parameters: frozenset[str] = frozenset()
    inputs: Sequence[Any] = ()
    passes: Sequence[Any] | None = None

    def added_to(self, body: bytes) -> bytes:
        """Return *body* with it."""
        fields: dict[str, Any] = {"in": self.inputs} if self.inputs else {}
        if self.passes is not None:
            fields["out"] = self.passes
        return body[:-1] + b"," + encode(fields, "a path")[1:] if fields else body


class Transport(Protocol):
    """Where enqueued jobs go: to Redis, or to a test's memory."""

    async def put(self, request: Enqueue, /) -> bool:
        """Enqueue one job; False if it was there already."""
        ...

    async def put_many(self, requests: Sequence[Enqueue], /) -> list[bool]:
        """Enqueue many; False for each one that was there already."""
        ...


class Memory(Transport, Protocol):
    """What a test has in place of Redis: it keeps jobs, and answers for them."""

    async def state(self, queue: str, job_id: str, /) -> str:
        """Return the job's state, one of `JobState`."""
        ...

    async def result(
        self, queue: str, job_id: str, /, *, timeout_s: float | None
    ) -> tuple[bytes | None, bytes | None]:
        """Return the job's result once it has ended, or the entry of what it died of, as JSON."""
        ...

    async def abort(self, queue: str, job_id: str, /) -> None:
        """Ask the job to stop."""
        ...

    async def open_batch(
        self, batch_id: str, callbacks: Mapping[str, Enqueue], parent: str | None, /
    ) -> None:
        """Let the batch not end until it is closed; *callbacks* follow then. parent: it is in."""
        ...

    async def start_flow(self, plan: FlowPlan, /) -> bool:
        """Start a flow; False if one of its id is there."""
        ...

    def node_states(self, flow_id: str, /) -> dict[str, str]:
        """Return the states of its nodes, as `arq:batch:<id>:state` has them."""
        ...

    async def run_next(self, flow_id: str, /) -> None:
        """Run what comes next, for somebody who waits for a node that has not started."""
        ...

    async def close_batch(self, batch_id: str, /) -> None:
        """Let the batch end once its jobs have."""
        ...

    async def cancel_batch(self, batch_id: str, /) -> bool:
        """Abort its jobs, and refuse later ones; False if it has ended."""
        ...

    def batch_progress(self, batch_id: str, /) -> BatchProgress:
        """Return its counts."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """
    A node of a flow that is about to start.

    on_failure: 'wait', 'go_on' or 'cancel'. over: for a map, which list's length counts: the node
    and its number among those of that node; of a map, `<node>#`.
    """

    number: int
    request: Enqueue
    on_failure: str
    needs: Sequence[int]
    needed_by: Sequence[int]
    over: str = ""


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A flow that is about to start. token: distinguishes it from others of its id."""

    id: str
    token: str
    name: str
    nodes: Sequence[PlannedNode]
    callbacks: Mapping[str, Enqueue]
    parent: str | None = None


ClientHandler = Callable[[Enqueue], Awaitable[bool]]
ClientMiddleware = Callable[[Enqueue, ClientHandler], Awaitable[bool]]
"""Wraps each enqueue of a client; continues with `return await call_next(request)`."""


def _traceparent_of_span() -> str | None:
    """Return that of the caller's OpenTelemetry span, if the process has that loaded."""
    opentelemetry: Any = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return None
    span = opentelemetry.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
