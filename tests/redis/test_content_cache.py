"""The cache by content: found again, bounded in time and bytes, and never missed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from jobs.content_cache import CacheStats, ContentCache, cache
from runner import connect

if TYPE_CHECKING:
    from runner import QueueClient
    from tests.redis_server import RedisServer


def small(redis: QueueClient, *, ttl_s: float = 60.0, max_bytes: int = 1000) -> ContentCache:
    """Make a cache with room for a thousand bytes."""
    return ContentCache(redis, "test", ttl_s=ttl_s, max_bytes=max_bytes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the time in ms that the cache believes in; every look at it takes one."""
    now = [int(1000 * time.time())]

    def look() -> int:
        now[0] += 1
        return now[0]

    monkeypatch.setattr(cache, "_now_ms", look)
    return now


async def test_cache_gives_back_what_was_put(redis: QueueClient) -> None:
    """Bytes come back as they were; what was never put is a miss; both are counted."""
    kept = small(redis)
    assert await kept.get("a") is None
    assert await kept.put("a", b"\x00value\xff")
    assert await kept.get("a") == b"\x00value\xff"
    assert await kept.stats() == CacheStats(hits=1, misses=1, values=1, bytes=7)


async def test_cache_makes_room_by_what_was_not_used_for_longest(
    redis: QueueClient, clock: list[int]
) -> None:
    """The bound holds after every put, and a value that was asked for outlives one that was not."""
    kept = small(redis)
    for name in "abc":
        await kept.put(name, b"x" * 300)
    assert await kept.get("a")
    await kept.put("d", b"x" * 300)
    assert [bool(await kept.get(name)) for name in "abcd"] == [True, False, True, True]
    assert (await kept.stats()).evicted == 1
    assert await _measured(redis) == (await kept.stats()).bytes == 900
    assert clock


async def test_cache_takes_nothing_larger_than_itself(redis: QueueClient) -> None:
    """One value that is too large throws nobody out."""
    kept = small(redis)
    await kept.put("a", b"x" * 900)
    assert not await kept.put("b", b"x" * 1001)
    assert await kept.get("a")


async def test_cache_replaces_a_value_without_counting_it_twice(redis: QueueClient) -> None:
    """The same key again takes the room of one."""
    kept = small(redis)
    for size in (900, 800, 950):
        assert await kept.put("a", b"x" * size)
    assert await kept.stats() == CacheStats(values=1, bytes=950)


async def test_cache_lets_values_expire_and_gives_their_room_back(
    redis: QueueClient, clock: list[int]
) -> None:
    """Redis drops a value by itself; the next put no longer counts it."""
    kept = small(redis)
    await kept.put("a", b"x" * 600)
    assert 0 < await redis.pttl("pipeline:cache:test:value:a") <= 60_000
    await redis.delete("pipeline:cache:test:value:a")  # as Redis does when its time is over
    clock[0] += 60_001
    await kept.put("b", b"x" * 600)
    assert await kept.get("a") is None
    assert await kept.stats() == CacheStats(misses=1, values=1, bytes=600)


async def test_cache_leaves_nothing_for_ever(redis: QueueClient) -> None:
    """Every key of it has an end, the bookkeeping too."""
    kept = small(redis)
    await kept.put("a", b"x")
    await kept.get("a")
    await kept.get("b")
    names = await redis.keys("pipeline:cache:*")
    assert len(names) == 6
    for name in names:
        assert await redis.pttl(name) > 0, name


@pytest.mark.parametrize("lost", ["used", "sizes", "expires", "total", "value:a"])
async def test_cache_survives_a_redis_that_evicts(redis: QueueClient, lost: str) -> None:
    """Whichever of its keys is gone, the bound holds again, and nothing else breaks."""
    kept = small(redis)
    for name in "ab":
        await kept.put(name, b"x" * 400)
    await redis.delete(f"pipeline:cache:test:{lost}")
    for name in "cdefg":
        assert await kept.put(name, b"x" * 400)
    assert 0 < (await kept.stats()).bytes <= 1000
    assert await kept.get("g")


async def test_cache_keeps_its_bound_among_many_writers(redis: QueueClient) -> None:
    """Sums stay right however many put at once."""
    kept = [small(redis) for _ in range(8)]
    await asyncio.gather(
        *(one.put(f"{n}-{i}", b"x" * (50 + n)) for n, one in enumerate(kept) for i in range(20))
    )
    told = await kept[0].stats()
    assert told.bytes == await _measured(redis) <= 1000
    assert told.values == len(await redis.keys("pipeline:cache:test:value:*"))


async def test_cache_of_no_bytes_is_off(redis: QueueClient) -> None:
    """With no room nothing is asked of Redis at all."""
    off = small(redis, max_bytes=0)
    assert not await off.put("a", b"x")
    assert await off.get("a") is None
    assert await redis.keys("pipeline:cache:*") == []


async def test_cache_is_not_missed_while_redis_is_gone(own_redis_server: RedisServer) -> None:
    """An outage is a miss, at once and without an error; afterwards the cache is there again."""
    client = connect(own_redis_server.url)
    kept = small(client)
    await kept.put("a", b"x")
    own_redis_server.stop()
    started = time.monotonic()
    assert await kept.get("a") is None
    assert not await kept.put("b", b"x")
    assert await kept.stats() == CacheStats()
    assert time.monotonic() - started < 5
    own_redis_server.start()
    kept._asked_again_at = 0.0
    assert await kept.get("a") == b"x"
    await client.aclose()


async def test_cache_does_not_wait_for_a_redis_that_hangs(
    own_redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call gives up soon, the next ones do not even ask."""
    monkeypatch.setattr(cache, "_ANSWER_WITHIN_S", 0.2)
    client = connect(own_redis_server.url)
    kept = small(client)
    await kept.put("a", b"x")
    own_redis_server.pause()
    try:
        assert await kept.get("a") is None
        started = time.monotonic()
        for _ in range(50):
            assert await kept.get("a") is None
        assert time.monotonic() - started < 0.2
    finally:
        own_redis_server.resume()
    await client.aclose()


async def _measured(redis: QueueClient) -> int:
    """What the values take together, asked of each."""
    names: list[Any] = await redis.keys("pipeline:cache:test:value:*")
    return sum([await redis.strlen(name) for name in names])
