"""Queues: how much of what stands in them now, and how that went over the last hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from runner.broker import keys
from runner.periodic.gauges import QueueGauges, queue_gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Paused:
    """By whom and when; `by` is empty where nobody said."""

    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """
    One queue now.

    ready: due now. unknown: rest because no worker here knew their name; they are among the
    scheduled. oldest_wait_s: how long the oldest ready job has been due. workers: live ones.
    """

    name: str
    ready: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    unknown: int
    oldest_wait_s: float
    paused: Paused | None
    workers: int


@dataclass(frozen=True, slots=True)
class Depth:
    """A queue's gauges at one poll."""

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
    """Count *names* now. The cost does not grow with the queues."""
    return [await queue(redis, name) for name in names]


async def depth(redis: Redis, name: str, *, points: int = 240) -> list[Depth]:
    """The queue's gauges at the last polls, oldest first, about *points* of them."""
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
        unknown=gauges.unknown,
        oldest_wait_s=gauges.oldest_wait_s,
        paused=None if note is None else paused_by(note),
        workers=workers,
    )


def paused_by(note: bytes) -> Paused:
    """Read the note that a pause leaves, whoever wrote it."""
    try:
        said: Any = from_json(note)
        return Paused(str(said.get("by") or ""), datetime.fromtimestamp(said["at_ms"] / 1000, UTC))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return Paused(note.decode("utf-8", "replace")[:100], None)


def _depth(entry_id: bytes, fields: dict[bytes, bytes]) -> Depth:
    at_ms = int(entry_id.partition(b"-")[0])
    counts = {name.decode(): int(value) for name, value in fields.items()}
    return Depth(at=datetime.fromtimestamp(at_ms / 1000, UTC), **counts)
