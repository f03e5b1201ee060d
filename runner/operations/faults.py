"""
What stands in Redis and is none of ours: found key by key, and mended without losing a job.

Keys of a wrong type are set aside with all that they hold. Times that no calendar has become ones
that it has. What nobody can read is set aside if whoever wrote it will write it anew; bodies,
results and histories stay as they are, and pages show their jobs as unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json

from runner import clock
from runner.broker import key_types, keys
from runner.broker.reading import (
    LARGEST,
    Cut,
    Entries,
    Reader,
    Unreadable,
    answers,
    count_of,
    hashes,
    look,
    shown_id,
)
from runner.broker.scripts.fields import LookHead
from runner.broker.set_aside import EVERY_TYPE, set_aside
from runner.checks import LATEST_MS
from runner.operations.sessions import read_record
from runner.operations.verbs import PROCESS_VERBS
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from redis.asyncio import Redis

_PAGE = 500
_LIMITS = LookHead(each=16 << 20, all=64 << 20, entries=100)
_MOST_FIELDS = 20_000
_MOST_SCORES = 100
_MOST_FAULTS = 1_000
_DAY_MS = 86_400_000
_SET_ASIDE = "set it aside"


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What is wrong at a key. does: what *mend* does about it; empty: it is left as it is.

    mend: may be repeated.
    """

    key: str
    why: str
    does: str = ""
    mend: Callable[[], Awaitable[object]] | None = None

    def __str__(self) -> str:
        return f"{self.key} {self.why}"


class Inspector:
    """Looks at the keys of *queues* and at all others of ours, for so many of them and so long."""

    def __init__(
        self, redis: Redis, queues: Sequence[str], *, most: int, for_s: float, by: str
    ) -> None:
        self._redis = redis
        self._queue_keys = [keys.queue_key(queue) for queue in queues]
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
        found = [fault async for fault in self._of_known_keys()]
        async for fault in self._of_all_keys():
            found.append(fault)
            if len(found) >= _MOST_FAULTS:
                break
        return found

    # ------------------------------------------------------------------ keys by name

    async def _of_known_keys(self) -> AsyncIterator[Fault]:
        known = {**key_types.OF_OPERATORS, **dict(key_types.of_workers(self._queue_keys))}
        wrong = await self._of_wrong_type([(name.encode(), kind) for name, kind in known.items()])
        for name in wrong:
            yield self._to_set_aside(name, "holds another type than belongs there")
        right = {name: kind for name, kind in known.items() if name.encode() not in wrong}
        for queue_key in self._queue_keys:
            async for fault in self._of_pause(queue_key + keys.PAUSED_SUFFIX):
                yield fault
        for name, kind in right.items():
            if kind == "zset":
                async for fault in self._of_scores(name):
                    yield fault
        for kind in ("hash", "stream", "string"):
            names = [name.encode() for name, its in right.items() if its == kind]
            async for fault in self._of_contents(kind, names):
                yield fault

    async def _of_wrong_type(self, names: Sequence[tuple[bytes, str]]) -> list[bytes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, _ in names:
                pipe.type(cast("str", name))
            types = await pipe.execute()
        return [
            name
            for (name, kind), found in zip(names, types, strict=True)
            if found.decode() not in {kind, "none"}
        ]

    async def _of_pause(self, name: str) -> AsyncIterator[Fault]:
        """Whatever stands there pauses the queue, so it is not set aside."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(name)
            [note] = await answers(pipe)
        if isinstance(note, Unreadable):
            words = to_json({"by": self._by, "at_ms": self._now_ms})
            mend = partial(self._redis.set, name, words)
            yield Fault(name, note.why, "write the note anew; the queue stays paused", mend)

    async def _of_scores(self, name: str) -> AsyncIterator[Fault]:
        """Times that no calendar has, or that nobody of ours can have written."""
        rule = self._rule_of(name)
        if rule is None:
            return
        for low, high, does, to in rule:
            found = await self._redis.zrangebyscore(
                name, low, high, start=0, num=_MOST_SCORES, withscores=True
            )
            for member, score in found:
                why = f"has {shown_id(member)!r} at the time {score:g}"
                mend: Callable[[], Awaitable[object]] = partial(self._redis.zrem, name, member)
                if to is not None:
                    mend = partial(self._redis.zadd, name, {member: to}, xx=True)
                yield Fault(name, why, does, mend)

    def _rule_of(self, name: str) -> Sequence[tuple[str, str, str, int | None]] | None:
        """Ranges of wrong scores, what to do about them, and the score to set; None: take out."""
        suffix = next(
            (
                name[len(queue_key) :]
                for queue_key in self._queue_keys
                if name.startswith(queue_key) and name[len(queue_key) :] in key_types.OF_QUEUE
            ),
            None,
        )
        ahead = f"({self._now_ms + _DAY_MS}"
        if name in {keys.ABORT, keys.METRICS} or suffix in _REGISTERS:
            does = "take it out"
            return [("-inf", "(0", does, None), (ahead, "+inf", does, None)]
        if suffix == keys.DEAD_SUFFIX:
            does = "say that it died now"
            return [("-inf", "(0", does, self._now_ms), (ahead, "+inf", does, self._now_ms)]
        if name == keys.SESSIONS:
            year = self._now_ms + 366 * _DAY_MS
            does = "list it for another year"
            return [("-inf", "(0", does, year), (f"({year}", "+inf", does, year)]
        if suffix is None:
            return None
        last = "let it be due at the end of the year 9999"
        return [
            ("-inf", "(0", "let it be due now", self._now_ms),
            (f"({LATEST_MS}", "+inf", last, LATEST_MS),
        ]

    # ------------------------------------------------------------------ all keys

    async def _of_all_keys(self) -> AsyncIterator[Fault]:
        cursor, until = 0, clock.monotonic() + self._for_s
        own = {name.encode() for name, _ in key_types.of_workers(self._queue_keys)}
        own |= {name.encode() for name in key_types.OF_OPERATORS}
        while True:
            cursor, page = await self._redis.scan(cursor, match="arq:*", count=_PAGE)
            self.looked_at += len(page)
            async for fault in self._of_page([name for name in page if name not in own]):
                yield fault
            if not cursor:
                self.is_complete = True
                return
            if self.looked_at >= self._most or clock.monotonic() >= until:
                return

    async def _of_page(self, page: Sequence[bytes]) -> AsyncIterator[Fault]:
        typed = [
            (name, kind)
            for name in page
            if (kind := key_types.type_of(name.decode("utf-8", "replace"))) is not None
        ]
        if not typed:
            return
        wrong = set(await self._of_wrong_type(typed))
        for name in wrong:
            yield self._to_set_aside(name, "holds another type than belongs there")
        by_kind: dict[str, list[bytes]] = {}
        for name, kind in typed:
            if name not in wrong:
                by_kind.setdefault(kind, []).append(name)
        for kind, names in by_kind.items():
            async for fault in self._of_contents(kind, names):
                yield fault

    # ------------------------------------------------------------------ contents

    async def _of_contents(self, kind: str, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        if not names:
            return
        match kind:
            case "string":
                found = await look(self._redis, strings=names, limits=_LIMITS)
                for name, value in zip(names, found, strict=True):
                    if value is not None and (why := self._of_string(name, value)):
                        yield self._to_set_aside(name, why)
            case "list":
                lists = [name for name in names if name.startswith(keys.HISTORY_PREFIX.encode())]
                found = await look(self._redis, lists=lists, limits=_LIMITS)
                for name, history in zip(lists, found, strict=True):
                    if why := _of_history(name, history):
                        yield self._to_set_aside(name, why)
            case "hash":
                read = await hashes(
                    self._redis,
                    [name.decode("utf-8", "replace") for name in names],
                    most=_MOST_FIELDS,
                )
                for name, fields in zip(names, read, strict=True):
                    for fault in self._of_hash(name, fields):
                        yield fault
            case "stream":
                async for fault in self._of_streams(names):
                    yield fault
            case "set":
                async for fault in self._of_guesses(names):
                    yield fault

    def _of_string(self, name: bytes, value: bytes | Cut | Unreadable) -> str:
        """Why the value is none of ours; empty if it is."""
        key, reader = name.decode("utf-8", "replace"), Reader()
        if isinstance(value, Unreadable):
            return value.why
        if isinstance(value, Cut):
            return f"has {counted(value.length, 'byte')}, too many to read"
        if key.startswith(keys.JOB_PREFIX):
            reader.body(name, value)
        elif key.startswith(keys.RESULT_PREFIX) and value[:1] < b"\x80":
            reader.fields(name, value)
        elif key.startswith(keys.WORKER_PREFIX):
            reader.fields(name, value)
        elif key.startswith(keys.SESSION_PREFIX) and read_record(value) is None:
            return "is no session"
        elif key.startswith(keys.ORDER_PREFIX) and value.decode("utf-8", "replace") not in (
            PROCESS_VERBS
        ):
            return "is no order"
        elif key.startswith((keys.RETRY_PREFIX, keys.METRICS_GUARD_PREFIX, keys.FENCE)):
            reader.whole(name, value)
        elif key.startswith(keys.POLL_PREFIX):
            last_ms = count_of(value)
            if last_ms is None or last_ms > self._now_ms + _DAY_MS:
                return "is no time of a poll"
        return "cannot be read" if reader.unreadable else ""

    def _of_hash(self, name: bytes, fields: Mapping[bytes, bytes] | Unreadable) -> Iterator[Fault]:
        key = name.decode("utf-8", "replace")
        if isinstance(fields, Unreadable):
            yield Fault(key, fields.why)
            return
        form = _form_of(key)
        if form is None:
            return
        for field, value in fields.items():
            if form.fullmatch(value) is None and not (
                key == keys.TICKS and field.endswith(b"|job")
            ):
                why = f"has the field {shown_id(field)!r} that holds something else"
                is_mended = not key.startswith(keys.BATCH_PREFIX)
                mend = partial(self._take_out, key, field) if is_mended else None
                yield Fault(key, why, "take the field out" if is_mended else "", mend)

    async def _take_out(self, key: str, field: bytes) -> None:
        await self._redis.hdel(key, cast("str", field))  # type: ignore[misc]  # redis-py's own hints: sync or async

    async def _of_streams(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.xrevrange(cast("str", name), count=1)
            last = await answers(pipe)
        for name, entries in zip(names, last, strict=True):
            if isinstance(entries, Unreadable) or not entries:
                continue
            at_ms = int(entries[0][0].partition(b"-")[0])
            if at_ms > self._now_ms + _DAY_MS:
                yield self._to_set_aside(
                    name, "has an entry of the future, and takes none before it"
                )

    async def _of_guesses(self, names: Sequence[bytes]) -> AsyncIterator[Fault]:
        guesses = [name for name in names if name.startswith(keys.GUESSES_PREFIX.encode())]
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in guesses:
                pipe.pttl(cast("str", name))
            left = await pipe.execute()
        for name, left_ms in zip(guesses, left, strict=True):
            if left_ms < 0:
                yield self._to_set_aside(name, "does not expire, and locks somebody out")

    def _to_set_aside(self, name: bytes, why: str) -> Fault:
        key = name.decode("utf-8", "replace")
        if key.startswith((keys.JOB_PREFIX, keys.RESULT_PREFIX, keys.HISTORY_PREFIX)):
            return Fault(shown_id(name), why)
        if key == keys.SESSIONS:
            does = "set it aside, and end all sessions: nobody could list them"
            return Fault(key, why, does, self._end_sessions)
        if key.startswith(keys.BATCH_PREFIX):
            does = "set it aside: its counts are lost"
            return Fault(
                shown_id(name), why, does, partial(set_aside, self._redis, {name: EVERY_TYPE})
            )
        return Fault(
            shown_id(name), why, _SET_ASIDE, partial(set_aside, self._redis, {name: EVERY_TYPE})
        )

    async def _end_sessions(self) -> None:
        await set_aside(self._redis, {keys.SESSIONS: EVERY_TYPE})
        async for name in self._redis.scan_iter(match=keys.SESSION_PREFIX + "*", count=_PAGE):
            await self._redis.delete(name)


_REGISTERS = {keys.HOLDERS_SUFFIX, keys.WORKERS_SUFFIX}
_COUNT = re.compile(rb"-?[0-9]{1,16}")
_FORMS = {
    keys.RUNNING_SUFFIX: re.compile(rb"[^|]+\|[0-9.]+(\|.*)?", re.DOTALL),
    keys.LATE_SUFFIX: re.compile(rb"[^|]+\|[0-9.]+"),
    keys.CRASHES_SUFFIX: re.compile(rb"[0-9]+=\S+( [0-9]+=\S+)*"),
}
_OF_COUNTS = (
    keys.TICKS,
    keys.POLLS,
    keys.RELEASES,
    keys.METRICS_TOTAL,
    keys.METRICS_MINUTES_PREFIX,
    keys.METRICS_TEN_MINUTES_PREFIX,
    keys.BATCH_PREFIX,
)


def _form_of(key: str) -> re.Pattern[bytes] | None:
    """The form that all values of a hash have; None if they may be any."""
    if key.startswith(_OF_COUNTS):
        return _COUNT
    of_queue = key.startswith(keys.QUEUE_PREFIX)
    return next(
        (form for suffix, form in _FORMS.items() if of_queue and key.endswith(suffix)), None
    )


def _of_history(name: bytes, history: Any) -> str:
    """Why a history has an entry that is none of ours; empty if it has none."""
    reader = Reader()
    if isinstance(history, Entries):
        for entry in history.last:
            reader.fields(name, entry)
    return "has an entry that cannot be read" if reader.unreadable else ""
