"""
What stands in Redis and is none of ours: found key by key, and mended without losing a job.

Keys of a wrong type are set aside with all that they hold. Times that no calendar has become ones
that it has. What nobody can read is set aside if whoever wrote it will write it anew. Bodies,
results and histories stay as they are: their jobs are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pydantic_core import to_json

from runner import clock
from runner.broker import key_types, keys
from runner.broker.reading import Unreadable, answers, look, shown_id
from runner.broker.scripts.fields import LookHead
from runner.broker.set_aside import EVERY_TYPE, set_aside
from runner.operations.fault_rules import (
    DAY_MS,
    entries_problem,
    has_form,
    has_rule,
    is_of_form,
    string_problem,
    wrong_scores,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from redis.asyncio import Redis

_PAGE = 500
_LIMITS = LookHead(each=16 << 20, all=64 << 20, entries=100)
MOST_FAULTS = 1_000
"""How many are found at a time."""

_WRONG_TYPE = "holds another type than belongs there"
_OF_JOBS = (keys.BARE.job_prefix, keys.BARE.result_prefix, keys.BARE.history_prefix)
_NO_END = "does not expire"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What is wrong at a key.

    does: what *mend* does about it; without it, why the key is left as it is.
    mend: may be repeated.
    """

    key: str
    why: str
    does: str
    mend: Callable[[], Awaitable[object]] | None = None

    def __str__(self) -> str:
        return f"{self.key} {self.why}"


class Inspector:
    """
    Looks at what *queues* have and share, and then at *most* other keys of ours, or for so long.

    Of a hash it looks at so many fields, too.

    by: who mends; it is written where a queue is paused.
    """

    def __init__(
        self, redis: Redis, queues: Sequence[str], *, most: int, for_s: float, by: str
    ) -> None:
        self._redis = redis
        own = self._own = keys.of(redis)
        self._queue_keys = [own.queue_key(queue) for queue in queues]
        self._known = {own.base + key: kind for key, kind in key_types.OF_OPERATORS.items()}
        self._known |= key_types.of_workers(own, self._queue_keys)
        self._most = most
        self._for_s = for_s
        self._by = by
        self._now_ms = 0
        self.looked_at = 0
        self.is_complete = False
        """Whether no key was left out."""

    async def faults(self) -> list[Fault]:
        """
        Find what is wrong; at most a thousand faults.

        Raises:
            RedisError: Redis is away, or refuses a request.
        """
        seconds, _ = await self._redis.time()
        self._now_ms = seconds * 1000
        found = [fault async for fault in self._of_known()]
        async for fault in self._of_others():
            found.append(fault)
            if len(found) >= MOST_FAULTS:
                break
        return found

    async def _of_known(self) -> AsyncIterator[Fault]:
        for queue_key in self._queue_keys:
            async for fault in self._of_pause(queue_key + keys.PAUSED_SUFFIX):
                yield fault
        known = [(name.encode(), kind) for name, kind in self._known.items()]
        async for fault in self._of_keys(known):
            yield fault

    async def _of_others(self) -> AsyncIterator[Fault]:
        cursor, until = 0, clock.monotonic() + self._for_s
        while True:
            cursor, page = await self._redis.scan(cursor, match=self._own.base + "*", count=_PAGE)
            self.looked_at += len(page)
            names = [(name, _name(name)) for name in page]
            others = [
                (name, kind)
                for name, text in names
                if text not in self._known and (kind := self._kind_of(text)) is not None
            ]
            async for fault in self._of_keys(others):
                yield fault
            if not cursor:
                self.is_complete = True
                return
            if self.looked_at >= self._most or clock.monotonic() >= until:
                return

    async def _of_keys(self, typed: Sequence[tuple[bytes, str]]) -> AsyncIterator[Fault]:
        """Those of a wrong type, and what is wrong in the others."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, _ in typed:
                pipe.type(cast("str", name))
            types = await pipe.execute()
        by_kind: dict[str, list[bytes]] = {}
        for (name, kind), found in zip(typed, types, strict=True):
            if found.decode() == kind:
                by_kind.setdefault(kind, []).append(name)
            elif found != b"none":
                yield self._to_set_aside(name, _WRONG_TYPE)
        of_kind = {
            "string": self._of_strings,
            "list": self._of_lists,
            "hash": self._of_hashes,
            "set": self._of_sets,
            "zset": self._of_sorted_sets,
            "stream": self._of_streams,
        }
        for kind, names in by_kind.items():
            async for fault in of_kind[kind](names):
                yield fault

    async def _of_pause(self, key: str) -> AsyncIterator[Fault]:
        """Whatever stands there pauses the queue, so it is not set aside."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(key)
            [note] = await answers(pipe)
        if isinstance(note, Unreadable):
            words = to_json({"by": self._by, "at_ms": self._now_ms})
            mend = partial(self._redis.set, key, words)
            yield Fault(key, _WRONG_TYPE, "write the note anew; the queue stays paused", mend)

    async def _of_strings(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        looked_at = [name for name in names if has_rule(_name(name))]
        found = await look(self._redis, strings=looked_at, limits=_LIMITS)
        for name, value in zip(looked_at, found, strict=True):
            why = "" if value is None else string_problem(_name(name), value, self._now_ms)
            if why:
                yield self._to_set_aside(name, why)
        marks = [name for name in names if name.startswith(self._own.in_progress_prefix.encode())]
        async for name in self._without_end(marks):
            yield self._to_set_aside(name, f"{_NO_END}, and holds its job back for ever")

    async def _of_lists(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        histories = [name for name in names if name.startswith(self._own.history_prefix.encode())]
        found = await look(self._redis, lists=histories, limits=_LIMITS)
        for name, history in zip(histories, found, strict=True):
            if why := entries_problem(_name(name), history):
                yield self._to_set_aside(name, why)

    async def _of_hashes(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        for name in filter(lambda name: has_form(self._bare(name)), names):
            cursor, seen = 0, 0
            while seen < self._most:
                cursor, fields = await self._redis.hscan(cast("str", name), cursor, count=_PAGE)
                seen += len(fields)
                for field, value in fields.items():
                    if not is_of_form(self._bare(name), field, value):
                        yield self._of_field(name, field)
                if not cursor:
                    break

    def _of_field(self, name: bytes, field: bytes) -> Fault:
        key, why = shown_id(name), f"has a field {shown_id(field)!r} that holds something else"
        if key.startswith(self._own.batch_prefix):
            return Fault(key, why, "its counts would be wrong without the field, too")
        mend = partial(self._redis.hdel, cast("str", name), cast("str", field))
        return Fault(key, why, "take the field out", cast("Callable[[], Awaitable[int]]", mend))

    async def _of_sorted_sets(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        for key in map(_name, names):
            for low, high, does, to in wrong_scores(
                self._own.bare(key), self._suffix_of(key), self._now_ms
            ):
                found = await self._redis.zrangebyscore(
                    key, low, high, start=0, num=MOST_FAULTS, withscores=True
                )
                for member, score in found:
                    mend: Callable[[], Awaitable[object]] = partial(self._redis.zrem, key, member)
                    if to is not None:
                        # A worker may have claimed the job meanwhile, and given it another time.
                        way = {"gt": True} if score < to else {"lt": True}
                        mend = partial(self._redis.zadd, key, {member: to}, xx=True, **way)
                    why = f"has {shown_id(member)!r} at the time {score:g}"
                    yield Fault(key, why, does, mend)

    def _suffix_of(self, key: str) -> str | None:
        """What follows the queue's key; None if it is no key of a queue."""
        ends = [key[len(one) :] for one in self._queue_keys if key.startswith(one)]
        if any(end.startswith(keys.PARKED_SUFFIX + ":") for end in ends):
            return keys.PARKED_SUFFIX
        return next((end for end in ends if end in key_types.OF_QUEUE), None)

    def _kind_of(self, key: str) -> str | None:
        return (
            "zset"
            if self._suffix_of(key) == keys.PARKED_SUFFIX
            else key_types.type_of(self._own.bare(key))
        )

    def _bare(self, name: bytes) -> str:
        return self._own.bare(_name(name))

    async def _of_streams(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.xrevrange(cast("str", name), count=1)
            last = await answers(pipe)
        for name, entries in zip(names, last, strict=True):
            if entries and int(entries[0][0].partition(b"-")[0]) > self._now_ms + DAY_MS:
                yield self._to_set_aside(name, "has an entry of the future, and takes none before")

    async def _of_sets(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        guesses = [name for name in names if name.startswith(self._own.guesses_prefix.encode())]
        async for name in self._without_end(guesses):
            yield self._to_set_aside(name, f"{_NO_END}, and may lock somebody out")

    async def _without_end(self, names: Sequence[bytes]) -> AsyncIterator[bytes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(cast("str", name))
            left = await pipe.execute()
        for name, left_ms in zip(names, left, strict=True):
            if left_ms == -1:
                yield name

    def _to_set_aside(self, name: bytes, why: str) -> Fault:
        key, does = shown_id(name), "set it aside"
        if self._own.bare(key).startswith(_OF_JOBS):
            return Fault(key, why, "its job is shown, and may be deleted or retried")
        mend: Callable[[], Awaitable[object]]
        mend = partial(set_aside, self._redis, {name: EVERY_TYPE})
        if key == self._own.sessions:
            does, mend = f"{does}, and end all sessions: nobody could list them", self._end_sessions
        elif key.startswith(self._own.batch_prefix):
            does = f"{does}: its counts are lost"
        return Fault(key, why, does, mend)

    async def _end_sessions(self) -> None:
        await set_aside(self._redis, {self._own.sessions: EVERY_TYPE})
        async for name in self._redis.scan_iter(match=self._own.session_prefix + "*", count=_PAGE):
            await self._redis.delete(name)


def _name(key: bytes) -> str:
    return key.decode("utf-8", "replace")
