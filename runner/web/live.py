"""
Notifies open pages of changes, by server-sent events.

One poll of Redis every two seconds serves all pages; while none is open, nothing is polled. An
event carries no data: the page fetches itself again, as the same visitor, and swaps its live parts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse

from runner.broker import keys
from runner.broker.reading import answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from redis.asyncio import Redis

_log = structlog.get_logger("runner.web")

_POLL_INTERVAL_S = 2.0
_SILENCE_S = 20.0
"""After so long without a change, a comment keeps proxies from closing the stream."""

_MOST_READERS = 100


class Live:
    """The stream of changes of some queues."""

    def __init__(self, redis: Redis, queues: Sequence[str]) -> None:
        self._redis = redis
        self._queues = queues
        self._readers: set[asyncio.Event] = set()
        self._polling: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def respond(self, is_welcome: Callable[[], Awaitable[bool]]) -> StreamingResponse:
        """
        A response that lasts until the reader leaves or the server stops.

        Before each event *is_welcome* is asked; the stream ends if they no longer are.
        """
        return StreamingResponse(
            self._events(is_welcome),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def close(self) -> None:
        """End all streams."""
        self._closing.set()
        for reader in self._readers:
            reader.set()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _events(self, is_welcome: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        changed = asyncio.Event()
        if len(self._readers) >= _MOST_READERS:
            yield b"retry: 30000\n\n"
            return
        self._readers.add(changed)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="live")
        try:
            yield b"retry: 2000\n\n"
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_SILENCE_S):
                        await changed.wait()
                if not await is_welcome():
                    return
                yield b"event: change\ndata:\n\n" if changed.is_set() else b": still here\n\n"
                changed.clear()
        finally:
            self._readers.discard(changed)

    async def _poll(self) -> None:
        seen: object = None
        while self._readers:
            try:
                found = await self._fingerprint()
            except (RedisError, OSError) as error:
                _log.info("Redis does not answer the pages", error=str(error))
                found = seen
            if found != seen and seen is not None:
                for reader in self._readers:
                    reader.set()
            seen = found
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def _fingerprint(self) -> object:
        """What changes whenever a page would: counts, and times of the last heartbeats."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for queue in self._queues:
                key = keys.of(self._redis).queue_key(queue)
                pipe.zcard(key)
                pipe.zcard(key + keys.DEAD_SUFFIX)
                pipe.zcard(key + keys.RETRYING_SUFFIX)
                pipe.hlen(key + keys.RUNNING_SUFFIX)
                pipe.get(key + keys.PAUSED_SUFFIX)
                pipe.zrange(key + keys.WORKERS_SUFFIX, 0, -1, withscores=True)
            return await answers(pipe)
