"""
A batch: jobs that belong together, and their progress.

Jobs enqueued inside `with Batch().joined():` belong to it, and so do the jobs that those
enqueue. The atomic scripts that move the jobs also count them, so the counts are exact whatever
dies in between. A batch has finished when none of its jobs is left to run.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from runner import chance
from runner.broker import keys
from runner.broker.chunks import MOST
from runner.broker.reading import Reader, Unreadable, answers, shown_id
from runner.enqueue import current_batch
from runner.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """A batch's jobs in one queue. retries: failed attempts that another one followed."""

    total: int = 0
    done: int = 0
    dead: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0

    def __add__(self, other: QueueProgress) -> QueueProgress:
        """Add the counts."""
        return QueueProgress(*[a + b for a, b in zip(_counts(self), _counts(other), strict=True)])

    def __sub__(self, other: QueueProgress) -> QueueProgress:
        """Subtract the counts."""
        return QueueProgress(*[a - b for a, b in zip(_counts(self), _counts(other), strict=True)])

    @property
    def waiting(self) -> int:
        """Jobs that have not finished: ready, scheduled, running or retrying."""
        return self.total - self.done - self.dead - self.aborted - self.failed


_STATES = ("total", "done", "dead", "retries", "aborted", "failed")
_counts = attrgetter(*_STATES)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch's jobs by queue."""

    queues: dict[str, QueueProgress] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Jobs of the batch that have not finished."""
        return sum(queue.waiting for queue in self.queues.values())

    @property
    def dead(self) -> int:
        """Jobs of the batch in the dead sets."""
        return sum(queue.dead for queue in self.queues.values())

    @property
    def retries(self) -> int:
        """Failed attempts of the batch that another one followed."""
        return sum(queue.retries for queue in self.queues.values())


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, by its id."""

    id: str = field(default_factory=chance.new_id)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Add what is enqueued inside to the batch."""
        token = current_batch.set(self.id)
        try:
            yield
        finally:
            current_batch.reset(token)

    async def progress(self, redis: Redis) -> BatchProgress:
        """Return the counts of now."""
        return (await progress_of(redis, [self]))[0]

    async def follow(self, redis: Redis, *, every_s: float) -> AsyncIterator[BatchProgress]:
        """Yield the counts now and every *every_s* seconds, up to the final ones."""
        while True:
            progress = await self.progress(redis)
            yield progress
            if not progress.waiting:
                return
            await asyncio.sleep(every_s)

    async def dead_jobs(self, redis: Redis) -> list[tuple[str, str]]:
        """Return queue and id of each dead job of the batch."""
        members = redis.sscan_iter(keys.of(redis).batch_prefix + self.id + ":dead", count=MOST)
        pairs = {shown_id(member).partition("|") async for member in members}
        return sorted((queue, job_id) for queue, _, job_id in pairs)


async def progress_of(redis: Redis, batches: Sequence[Batch]) -> list[BatchProgress]:
    """
    Return the counts of each of *batches* now, in one round trip.

    Raises:
        UnreadableError: A batch holds what is no count: nobody knows when it has finished.
    """
    names = [keys.of(redis).batch_prefix + batch.id for batch in batches]
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(name)
        found = await answers(pipe)
    return [_read(name, fields) for name, fields in zip(names, found, strict=True)]


def _read(key: str, fields: Mapping[bytes, bytes] | Unreadable) -> BatchProgress:
    counts: dict[str, dict[str, int]] = {}
    reader = Reader()
    for name, value in reader.known(fields, {}).items():
        queue, _, state = shown_id(name).rpartition("|")
        if state in _STATES:
            counts.setdefault(queue, {})[state] = reader.whole(f"{key} {shown_id(name)}", value)
    if reader.unreadable:
        raise UnreadableError(reader.unreadable)
    return BatchProgress({queue: QueueProgress(**by) for queue, by in sorted(counts.items())})
