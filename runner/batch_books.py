"""
The books of batches: what their counts say, and what is done to all jobs of one.

They are kept by the scripts that move jobs: see `batches.lua`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import ResponseError

from runner import chance
from runner.admin import Admin
from runner.broker import keys
from runner.broker.chunks import MOST, chunks
from runner.broker.reading import Reader, Unreadable, count_of, shown_id
from runner.broker.scripts import BATCH, ENDED
from runner.broker.scripts.fields import BatchHead, BatchMember
from runner.codec import decode, encode
from runner.errors import CodecError, UnreadableError
from runner.passing import passed_on
from runner.states import Found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from redis.asyncio import Redis

_log = structlog.get_logger("runner.batch")

_LOOKED_AFTER = 10
"""How many batches one poll looks after at most."""
_ROUNDS = 10

CALLBACKS = ("complete", "success", "death")
"""What a batch may enqueue, in the order in which it does."""


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """A batch's jobs in one queue. retries: failed attempts that another one followed."""

    total: int = 0
    done: int = 0
    dead: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0
    expired: int = 0

    def __add__(self, other: QueueProgress) -> QueueProgress:
        """Add the counts."""
        return QueueProgress(*[a + b for a, b in zip(_counts(self), _counts(other), strict=True)])

    def __sub__(self, other: QueueProgress) -> QueueProgress:
        """Subtract the counts."""
        return QueueProgress(*[a - b for a, b in zip(_counts(self), _counts(other), strict=True)])

    @property
    def waiting(self) -> int:
        """Jobs that have not finished: ready, scheduled, running or retrying."""
        return self.total - self.done - self.dead - self.aborted - self.failed - self.expired


_BATCHES = ""
"""Stands in the place of a queue for batches that are in another one."""

_STATES = ("total", "done", "dead", "retries", "aborted", "failed", "expired")
_counts = attrgetter(*_STATES)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """
    A batch's jobs by queue. is_open: whether its creator still adds jobs.

    batches: the batches within it; one with a dead job counts as dead.
    """

    queues: dict[str, QueueProgress] = field(default_factory=dict)
    is_open: bool = False
    batches: QueueProgress = QueueProgress()

    @property
    def in_all(self) -> QueueProgress:
        """The sum over all queues, and the batches within it."""
        return sum(self.queues.values(), self.batches)

    @property
    def waiting(self) -> int:
        """Jobs of the batch, and batches within it, that have not finished."""
        return self.in_all.waiting

    @property
    def dead(self) -> int:
        """Jobs of the batch in the dead sets, and batches within it that have such jobs."""
        return self.in_all.dead

    @property
    def retries(self) -> int:
        """Failed attempts of the batch that another one followed."""
        return self.in_all.retries


def read_counts(
    key: str, fields: Mapping[bytes, bytes] | Unreadable, open_until: bytes | Unreadable | None
) -> BatchProgress:
    """
    Return the counts that stand in a batch's hash.

    Raises:
        UnreadableError: One of them is none.
    """
    counts: dict[str, dict[str, int]] = {}
    reader = Reader()
    for name, value in reader.known(fields, {}).items():
        queue, _, state = shown_id(name).rpartition("|")
        if state in _STATES:
            counts.setdefault(queue, {})[state] = reader.whole(f"{key} {shown_id(name)}", value)
    is_open = reader.known(open_until, None) is not None
    if reader.unreadable:
        raise UnreadableError(reader.unreadable)
    by_queue = {queue: QueueProgress(**by) for queue, by in sorted(counts.items())}
    batches = by_queue.pop(_BATCHES, QueueProgress())
    return BatchProgress(by_queue, is_open, batches)


async def ask(redis: Redis, head: BatchHead, members: Sequence[str | bytes] = ()) -> int:
    """Do one action on a batch, and return what its script does."""
    own = keys.of(redis)
    key = own.batch_prefix + head.id
    return int(await redis.eval(BATCH, 2, key, own.base, *head, *members))  # type: ignore[misc,arg-type]  # redis-py's own hints: sync or async


async def cancel(redis: Redis, batch_id: str) -> bool:
    """
    Abort what waits or runs of a batch, and let no job come any more; False if it has ended.

    So it is with the batches within it.
    """
    return await _cancel(redis, batch_id, {batch_id})


async def _cancel(redis: Redis, batch_id: str, done: set[str]) -> bool:
    if not await ask(redis, _head("cancel", batch_id)):
        return False
    while await ask(redis, _head("drop", batch_id)):
        pass  # of a large flow some at a time
    for _ in range(_ROUNDS):
        # A job that ran may have enqueued others just before, or gone back into its queue.
        found = await _abort_all(redis, batch_id)
        if Found.WAITING not in found:
            break
    for one in await _batches_in(redis, batch_id, ":pending") - done:
        await _cancel(redis, one, done | {one})
    return True


async def _abort_all(redis: Redis, batch_id: str) -> set[Found]:
    found: set[Found] = set()
    async for queue, ids in _members(redis, batch_id, ":pending"):
        found |= set(await Admin(redis).act_on_all("abort", queue, ids))
    return found


async def retry_dead(redis: Redis, batch_id: str) -> int:
    """Run the dead jobs of a batch, and of those in it, with all attempts; return how many."""
    return await _retry_dead(redis, batch_id, {batch_id})


async def _retry_dead(redis: Redis, batch_id: str, done: set[str]) -> int:
    retried = 0
    for one in await _batches_in(redis, batch_id, ":dead") - done:
        retried += await _retry_dead(redis, one, done | {one})
    async for queue, ids in _members(redis, batch_id, ":dead"):
        found = await Admin(redis).act_on_all("run", queue, ids)
        retried += found.count(Found.DEAD)
    return retried


async def look_after(redis: Redis, *, now_ms: float) -> None:
    """
    Look after batches that are due for it, as the poller does.

    One whose creator is lost is closed or cancelled. Jobs that stand nowhere are struck off: a
    program that does not know batches, such as a stock arq worker, has ended them.
    """
    live = keys.of(redis).live_batches
    due = await redis.zrangebyscore(live, "-inf", now_ms, start=0, num=_LOOKED_AFTER)
    for raw in due:
        batch_id = raw.decode("utf-8", "backslashreplace")
        if batch_id.encode() != raw:
            await redis.zrem(live, raw)  # nobody of ours has an id that is no text
            continue
        try:
            if not await _close_if_abandoned(redis, batch_id):
                await _go_on(redis, batch_id)
                await _strike_off(redis, batch_id)
        except ResponseError as error:
            _log.warning("batch cannot be looked after", batch=batch_id, error=str(error))
            await redis.zadd(live, {raw: now_ms + keys.BATCH_LOOK_S * 1000}, xx=True)


async def _close_if_abandoned(redis: Redis, batch_id: str) -> bool:
    """Whether a creator has it open, or had."""
    plan = keys.of(redis).batch_prefix + batch_id + ":plan"
    open_until, abandoned = await redis.hmget(plan, ["open_until_ms", "abandoned"])  # type: ignore[misc]
    if open_until is None:
        return False
    if abandoned == b"cancel" and (count_of(open_until) or 0) <= await _now_ms(redis):
        await cancel(redis, batch_id)
    elif not await ask(redis, _head("overdue", batch_id)):
        return True  # it was renewed meanwhile
    _log.warning("batch was abandoned by its creator", batch=batch_id)
    return True


async def _go_on(redis: Redis, batch_id: str) -> None:
    """Go on with what a script or a client has begun, and is too much for one call."""
    plan = keys.of(redis).batch_prefix + batch_id + ":plan"
    cancelled_ms, flow = await redis.hmget(plan, ["cancelled_ms", "flow"])  # type: ignore[misc]
    if cancelled_ms is not None:
        await cancel(redis, batch_id)
    while flow is not None and await ask(redis, _head("ready", batch_id)):
        pass


async def _now_ms(redis: Redis) -> float:
    seconds, micros = await redis.time()
    return float(seconds * 1000 + micros / 1000)


async def _strike_off(redis: Redis, batch_id: str) -> None:
    own, struck = keys.of(redis), 0
    async for queue, ids in _members(redis, batch_id, ":pending"):
        key = own.queue_key(queue)
        has_ended = await redis.eval(ENDED, 2, key, own.base, *ids)  # type: ignore[misc,arg-type]
        gone = [one for one, ended in zip(ids, has_ended, strict=True) if ended]
        if gone:
            passed = await _passed_by(redis, batch_id, gone)
            members = [
                BatchMember(key, queue, one, result)
                for one, result in zip(gone, passed, strict=True)
            ]
            struck += await ask(redis, _head("look", batch_id), [*chain.from_iterable(members)])
    children = await _batches_in(redis, batch_id, ":pending")
    for some in chunks(sorted(children)):
        members = [BatchMember("", _BATCHES, one) for one in some]
        struck += await ask(redis, _head("look", batch_id), [*chain.from_iterable(members)])
    if struck:
        _log.warning("jobs of a batch were ended elsewhere", batch=batch_id, jobs=struck)
    else:
        await ask(redis, _head("look", batch_id))


async def _passed_by(redis: Redis, batch_id: str, ids: Sequence[bytes]) -> list[bytes]:
    """Return what nodes of a flow pass on that a program has ended which does not know flows."""
    own = keys.of(redis)
    if not await redis.exists(f"{own.batch_prefix}{batch_id}:nodes"):
        return [b""] * len(ids)
    found = await redis.mget([own.result_prefix.encode() + one for one in ids])
    return [b"" if data is None else _passed(data) for data in found]


def _passed(data: bytes) -> bytes:
    try:
        return passed_on(encode(decode(data)["r"]), ())
    except (CodecError, LookupError, TypeError):
        return b""


async def _members(
    redis: Redis, batch_id: str, suffix: str
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yield queues, each with some ids of the batch's jobs in it."""
    by_queue: dict[str, list[bytes]] = {}
    name = keys.of(redis).batch_prefix + batch_id + suffix
    async for member in redis.sscan_iter(name, count=MOST):
        queue, _, job_id = member.partition(b"|")
        shown = queue.decode("utf-8", "replace")
        if job_id and keys.queue_problem("", shown) is None:
            by_queue.setdefault(shown, []).append(job_id)
    for queue, ids in by_queue.items():
        for chunk in chunks(ids):
            yield queue, list(chunk)


async def _batches_in(redis: Redis, batch_id: str, suffix: str) -> set[str]:
    """Ids of the batches within this one that have not ended, or have dead jobs."""
    name = keys.of(redis).batch_prefix + batch_id + suffix
    found = {
        member.decode("utf-8", "replace").partition("|")[2]
        async for member in redis.sscan_iter(name, match=f"{_BATCHES}|*", count=MOST)
    }
    return found - {""}


async def trim_batches(redis: Redis) -> None:
    """Forget batches of which nothing is left: of some of them, others each time."""
    own = keys.of(redis)
    count = await redis.zcard(own.batches)
    if not count:
        return
    first = int(chance.spread() * count)
    some = await redis.zrange(own.batches, first, first + MOST - 1)
    async with redis.pipeline(transaction=False) as pipe:
        for one in some:
            key = own.batch_prefix.encode() + one
            pipe.exists(key, key + b":plan")
        there = await pipe.execute()
    gone = [one for one, is_there in zip(some, there, strict=True) if not is_there]
    if gone:
        await redis.zrem(own.batches, *gone)
        await redis.zrem(own.live_batches, *gone)


def _head(action: str, batch_id: str) -> BatchHead:
    return BatchHead(action, batch_id, keys.BATCH_TTL_S)
