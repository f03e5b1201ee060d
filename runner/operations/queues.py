"""Queues: how many jobs are in each state, now and over the last hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from runner.broker import keys
from runner.operations.verbs import ACTIVE, PAUSED, QUEUE_VERBS, offered
from runner.periodic.gauges import QueueGauges, queue_gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.verbs import Verb


@dataclass(frozen=True, slots=True)
class Paused:
    """
    Who paused it, and when.

    Attributes:
        by: Name of the operator; empty if it was not given.
        at: When it was paused.
    """

    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """
    One queue now.

    Attributes:
        name: Name of the queue.
        ready: Jobs that are due.
        running: Jobs that run.
        scheduled: Jobs that come due later.
        retrying: Jobs that failed and will be tried again.
        dead: Jobs in the dead set.
        parked: Jobs that are parked: no worker knew their name or parameters.
        oldest_wait_s: Seconds since the oldest ready job came due.
        paused: Set while the queue is paused.
        workers: Live workers.
    """

    name: str
    ready: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    parked: int
    oldest_wait_s: float
    paused: Paused | None
    workers: int

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return offered(QUEUE_VERBS, PAUSED if self.paused else ACTIVE)


@dataclass(frozen=True, slots=True)
class Depth:
    """
    A queue's gauges at one poll.

    Attributes:
        at: Time of the poll.
        ready: Jobs that were due.
        running: Jobs that ran.
        scheduled: Jobs that were to come due later.
        retrying: Jobs that had failed and were to be tried again.
        dead: Jobs in the dead set.
        oldest_wait_ms: Milliseconds since the oldest ready job had come due.
    """

    at: datetime
    ready: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    oldest_wait_ms: int


async def queue(redis: Redis, name: str) -> Queue:
    """Count one queue now."""
    gauges = await queue_gauges(redis, name)
    key = keys.queue_key(name)
    note = await redis.get(key + keys.PAUSED_SUFFIX)
    return _queue(gauges, note, await redis.zcard(key + keys.WORKERS_SUFFIX))


async def queues(redis: Redis, names: Sequence[str]) -> list[Queue]:
    """Count *names* now. The cost does not grow with the number of jobs."""
    return [await queue(redis, name) for name in names]


async def depth(redis: Redis, name: str, *, points: int = 240) -> list[Depth]:
    """About *points* of the queue's gauges at the last polls, oldest first."""
    entries = await redis.xrange(keys.DEPTH_PREFIX + name)
    step = max(1, len(entries) // points)
    return [_depth(entry_id, fields) for entry_id, fields in entries[::step]]


def _queue(gauges: QueueGauges, note: bytes | None, workers: int) -> Queue:
    return Queue(
        name=gauges.queue,
        ready=gauges.ready,
        running=gauges.running,
        scheduled=gauges.scheduled,
        retrying=gauges.retrying,
        dead=gauges.dead,
        parked=gauges.parked,
        oldest_wait_s=gauges.oldest_wait_s,
        paused=None if note is None else paused_by(note),
        workers=workers,
    )


def paused_by(note: bytes) -> Paused:
    """Read the note of a pause, whoever wrote it."""
    try:
        said: Any = from_json(note)
        return Paused(str(said.get("by") or ""), datetime.fromtimestamp(said["at_ms"] / 1000, UTC))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return Paused(note.decode("utf-8", "replace")[:100], None)


def _depth(entry_id: bytes, fields: dict[bytes, bytes]) -> Depth:
    at_ms = int(entry_id.partition(b"-")[0])
    counts = {name.decode(): int(value) for name, value in fields.items()}
    return Depth(at=datetime.fromtimestamp(at_ms / 1000, UTC), **counts)
