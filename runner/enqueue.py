"""What is enqueued: one job on its way into a queue, and where it may go."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runner import chance, wall_clock
from runner.codec import encode_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.batch_books import BatchProgress
    from runner.definition import JobDefinition

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The largest body that a client sends, unless it was made with another limit."""

CALL_TIMEOUT_S = 10.0
"""How long a client's call waits for Redis in all, if the client says nothing else."""

NONCE_DIGITS = 12

current_batch: ContextVar[str | None] = ContextVar("current_batch", default=None)
"""The batch that jobs enqueued from now on belong to."""

current_trace: ContextVar[str | None] = ContextVar("current_trace", default=None)
"""The W3C traceparent that jobs enqueued from now on continue."""


@dataclass(slots=True)
class Enqueue:
    """
    One job on its way into a queue.

    unique: the caller chose *job_id*: refuse the job while one of that id is pending.
    schedule, tick_ms: a tick of a periodic job: refuse it if the same or a later one was enqueued,
    or, without *overlap*, while the job of an earlier one has not ended. period_ms: between ticks.
    copies: return only when so many replicas have it.
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

    def __post_init__(self) -> None:
        if self.batch_id is None:
            self.batch_id = current_batch.get()
        if self.trace is None:
            self.trace = current_trace.get() or _traceparent_of_span()
        if self.nonce is None and self.unique:
            self.nonce = chance.new_id(NONCE_DIGITS)

    def body(self) -> bytes:
        """
        Return the job's body as Redis stores it.

        Raises:
            ArgumentsError: An argument does not come back equal from JSON.
            CodecError: An argument has no JSON form.
        """
        return encode_job(self) if self.job is None else self.job.schema.body(self)


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

    async def open_batch(self, batch_id: str, callbacks: Mapping[str, Enqueue], /) -> None:
        """Let the batch not end until it is closed; *callbacks* follow then."""
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
