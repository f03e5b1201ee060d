"""One job in a test's memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from runner.codec import decode_job

if TYPE_CHECKING:
    from datetime import datetime

    from runner.enqueue import Enqueue
    from runner.worker.held import Held


class JobError(AssertionError):
    """A job did not end as the test needs it: it is dead, or nothing here would ever run it."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An enqueued job, as a worker would read it; what is sealed in it is opened."""

    name: str
    job_id: str
    queue: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    delay_s: float


class Stage(Enum):
    """
    Where a job is. An aborted one is done: it has a result, which says so.

    HELD_BACK: it waits until the job with its unique key has ended, or its lane has a place.
    """

    WAITING = 1
    RETRYING = 2
    RUNNING = 3
    PARKED = 4
    DONE = 5
    DEAD = 6
    HELD_BACK = 7


_PENDING = frozenset({Stage.WAITING, Stage.RETRYING, Stage.RUNNING, Stage.PARKED, Stage.HELD_BACK})


@dataclass(slots=True, eq=False)
class Record:
    """
    One job, and how it is with it.

    first: when it was enqueued. spent: attempts that failed. ended_as: the state that its batch
    counts; told_as: that which its flow knows. passed: what it passes on there. result, error: what
    a handle reads, as JSON; kept_until: of the result; None for ever. key: its unique key; '' for
    none. lane: the queue and the name of the lane that it is in. asked: when it would be due
    without the rate of that.
    """

    request: Enqueue
    body: bytes
    due: datetime
    first: datetime
    stage: Stage = Stage.WAITING
    spent: int = 0
    held: Held | None = None
    result: bytes | None = None
    kept_until: datetime | None = None
    error: bytes | None = None
    ended_as: str = ""
    told_as: str = ""
    passed: bytes = b""
    key: str = ""
    lane: tuple[str, str] | None = None
    asked: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.asked = self.due

    @property
    def is_pending(self) -> bool:
        """Whether it has neither ended nor died."""
        return self.stage in _PENDING

    def shown(self, *, delay_s: float = 0.0) -> Enqueued:
        """Return it as a test sees it."""
        envelope = decode_job(self.body)
        args, kwargs, request = tuple(envelope.args), envelope.kwargs, self.request
        if request.job is not None:
            args, kwargs = request.job.schema.opened(args, kwargs, request.job_id)
        return Enqueued(request.name, request.job_id, request.queue, args, kwargs, delay_s)
