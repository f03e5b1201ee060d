"""
A cache by content: bounded in time and in bytes, and never missed when it is gone.

It lives in the Redis of the queues, so it must not grow into their memory, nor count on Redis
evicting for it: a Redis that holds jobs evicts nothing. The bytes are counted here, and the value
that was not used for longest goes first.

| key | type | holds | lives |
|---|---|---|---|
| `pipeline:cache:<name>:value:<key>` | string | a value | ttl_s |
| `pipeline:cache:<name>:used` | sorted set | keys by last use, Unix ms | twice ttl_s |
| `pipeline:cache:<name>:expires` | sorted set | keys by expiry, Unix ms | twice ttl_s |
| `pipeline:cache:<name>:sizes` | hash | key → bytes | twice ttl_s |
| `pipeline:cache:<name>:total` | string | bytes in all | twice ttl_s |
| `pipeline:cache:<name>:stats` | hash | hits, misses, evicted | twice ttl_s |
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import structlog
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

_log = structlog.get_logger("jobs.content_cache")

_PREFIX: Final = "pipeline:cache:"
_ANSWER_WITHIN_S: Final = 1.0
_REST_S: Final = 15.0
_BOOKKEEPING: Final = ("used", "sizes", "expires", "total", "stats")


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counters since the cache was last empty for long, and what it holds now."""

    hits: int = 0
    misses: int = 0
    evicted: int = 0
    values: int = 0
    bytes: int = 0


class ContentCache:
    """
    Values by a key that says all of their content, so that a value found is never outdated.

    ttl_s: how long a value is kept; using it does not make it live longer. max_bytes: what all
    values together may take; 0 keeps nothing.

    No method raises because of Redis: a value that cannot be read is a miss, one that cannot be
    written is not kept, and for some seconds after an outage nobody is asked.
    """

    def __init__(self, redis: Redis, name: str, *, ttl_s: float, max_bytes: int) -> None:
        self._redis = redis
        self._values = f"{_PREFIX}{name}:value:"
        self._keys = {one: f"{_PREFIX}{name}:{one}" for one in _BOOKKEEPING}
        self._ttl_ms = int(1000 * ttl_s)
        self._max_bytes = max_bytes
        self._asked_again_at = 0.0
        self._get = redis.register_script(_script("get.lua"))
        self._put = redis.register_script(_script("put.lua"))

    async def get(self, key: str) -> bytes | None:
        """Give the value of *key*, or None; counted as a hit or a miss."""
        if not self._max_bytes:
            return None
        keys = [self._values + key, self._keys["used"], self._keys["stats"]]
        found: bytes | None = await self._ask(
            self._get(keys=keys, args=[key, _now_ms(), 2 * self._ttl_ms])
        )
        return found

    async def put(self, key: str, value: bytes) -> bool:
        """Keep *value*; True if it is kept. The longest unused make room for it."""
        if not self._max_bytes:
            return False
        keys = [self._keys[one] for one in _BOOKKEEPING]
        args: list[str | bytes | int] = [
            self._values,
            key,
            value,
            _now_ms(),
            self._ttl_ms,
            self._max_bytes,
        ]
        return bool(await self._ask(self._put(keys=keys, args=args)))

    async def stats(self) -> CacheStats:
        """Count; zeros while Redis does not answer."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._keys["stats"])
            pipe.zcard(self._keys["used"])
            pipe.get(self._keys["total"])
            answer = await self._ask(pipe.execute())
        if answer is None:
            return CacheStats()
        counters, values, total = answer
        counted = {name.decode(): int(number) for name, number in counters.items()}
        return CacheStats(**counted, values=int(values), bytes=int(total or 0))

    async def _ask(self, question: Awaitable[Any]) -> Any:
        """What Redis answers, or None."""
        if time.monotonic() < self._asked_again_at:
            _never_mind(question)
            return None
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await question
        except (RedisError, OSError, TimeoutError) as error:
            self._asked_again_at = time.monotonic() + _REST_S
            _log.debug("cache unreachable", error=str(error), asked_again_in_s=_REST_S)
            return None


def _never_mind(question: Awaitable[Any]) -> None:
    close = getattr(question, "close", None)
    if close is not None:
        close()


def _now_ms() -> int:
    return int(1000 * time.time())


def _script(name: str) -> str:
    return (files("jobs.content_cache") / name).read_text()
