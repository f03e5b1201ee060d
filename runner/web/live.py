"""
Notifies open pages of changes, by server-sent events.

One poll of Redis every two seconds serves all pages; while none is open, nothing is polled. Each
poll is a `beat`: when Redis answered, and what stands beside the places of the navigation; or that
Redis is away. A page without beats knows that what it shows is old. A `change` carries no data: the
page fetches itself again, as the same visitor, and patches its live parts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog
from pydantic_core import to_json
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse

from runner.broker import keys
from runner.broker.reading import answers
from runner.broker.redis_clock import RedisClock
from runner.broker.servers import by_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis

_log = structlog.get_logger("runner.web")

_POLL_INTERVAL_S = 2.0
_ANSWER_S = 4.0
"""Redis is away if it takes longer for a poll."""
_BESIDE_S = 1.0

_MOST_READERS = 100


@dataclass(frozen=True, slots=True)
class Beat:
    """
    One poll.

    number: of the poll. at_ms: when Redis answered, by its own clock; None: it did not.
    changes: how many polls so far found something else than the one before.
    """

    number: int
    at_ms: int | None
    changes: int
    counts: Mapping[str, int]

    def event(self) -> bytes:
        """As the page reads it."""
        told = {"away": True} if self.at_ms is None else {"at": self.at_ms, "counts": self.counts}
        return b"event: beat\ndata: " + to_json(told) + b"\n\n"


class Live:
    """The stream of changes of some queues."""

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        self._redis = redis
        self._queues = queues
        self._readers = 0
        self._polling: asyncio.Task[None] | None = None
        self._beat: Beat | None = None
        self._beaten = asyncio.Event()
        self._closing = False
        self._clock = RedisClock()

    def now_ms(self) -> int | None:
        """Redis's time, Unix ms; None before the first poll."""
        return None if self._beat is None else self._clock.now_ms()

    def respond(self, is_welcome: Callable[[], Awaitable[bool | None]]) -> StreamingResponse:
        """
        A response that lasts until the reader leaves or the server stops.

        Before each event *is_welcome* is asked; the stream ends if they no longer are. None: Redis,
        which would know, is away; they are told that alone.
        """
        return StreamingResponse(
            self._events(is_welcome),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def close(self) -> None:
        """End all streams."""
        self._closing = True
        self._beaten.set()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _events(
        self, is_welcome: Callable[[], Awaitable[bool | None]]
    ) -> AsyncIterator[bytes]:
        if self._readers >= _MOST_READERS:
            yield b"retry: 30000\n\n"
            return
        self._readers += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="live")
        seen = self._beat
        try:
            yield b"retry: 2000\n\n"
            while not self._closing:
                beat = self._beat
                if beat is None or beat is seen:
                    await self._beaten.wait()
                    continue
                welcome = await _asked(is_welcome)
                if welcome is False:
                    return
                yield beat.event() if welcome else _AWAY.event()
                if welcome and seen is not None and beat.changes != seen.changes:
                    yield b"event: change\ndata:\n\n"
                seen = beat
        finally:
            self._readers -= 1

    async def _poll(self) -> None:
        seen: object = None
        number = changes = 0
        while self._readers:
            found, counts, at_ms = seen, _NO_COUNTS, None
            try:
                async with asyncio.timeout(_ANSWER_S):
                    (seconds, micros), *found = await self._look()
                at_ms = seconds * 1000 + micros // 1000
                self._clock.note(at_ms)
                dead = sum(one for one in found[::_ASKED] if isinstance(one, int))
                registers = [one for one in found[_ASKED - 1 :: _ASKED] if isinstance(one, list)]
                counts = {"dead": dead, "workers": sum(map(len, registers))}
            except (RedisError, OSError) as error:
                _log.info("Redis does not answer the pages", error=str(error))
            number += 1
            changes += seen is not None and found != seen
            seen = found
            self._beat = Beat(number, at_ms, changes, counts)
            self._beaten.set()
            self._beaten = asyncio.Event()
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def _look(self) -> list[Any]:
        """Redis's time, and what changes whenever a page would."""
        if getattr(self._queues, "away", ()):
            await self._queues.look()  # type: ignore[attr-defined]  # it sees when a server is back
        shares = by_server(self._redis, self._queues)
        here = [queue for one, queues in shares if one is self._redis for queue in queues]
        beside = [_beside(*share) for share in shares if share[0] is not self._redis]
        found, *others = await asyncio.gather(_counts(self._redis, here), *beside)
        return [*found, *chain.from_iterable(others)]


async def _counts(redis: Redis, queues: Sequence[str]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for queue in queues:
            key = keys.of(redis).queue_key(queue)
            pipe.zcard(key + keys.DEAD_SUFFIX)
            pipe.zcard(key)
            pipe.zcard(key + keys.RETRYING_SUFFIX)
            pipe.hlen(key + keys.RUNNING_SUFFIX)
            pipe.get(key + keys.PAUSED_SUFFIX)
            pipe.zrange(key + keys.WORKERS_SUFFIX, 0, -1, withscores=True)
        return list(await answers(pipe))


async def _beside(redis: Redis, queues: Sequence[str]) -> list[Any]:
    """Another server than the pages' own may be away: a page says so of its queues alone."""
    try:
        async with asyncio.timeout(_BESIDE_S):
            return (await _counts(redis, queues))[1:]
    except (RedisError, OSError):
        return [None] * _ASKED * len(queues)


async def _asked(is_welcome: Callable[[], Awaitable[bool | None]]) -> bool | None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await is_welcome()
    except TimeoutError:
        return None


_ASKED = 6
_NO_COUNTS: Mapping[str, int] = {}
_AWAY = Beat(0, None, 0, _NO_COUNTS)
