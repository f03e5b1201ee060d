"""Whether Redis answers, asked of a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.asyncio import Redis

from runner.processes.health import RedisAnswers, find

if TYPE_CHECKING:
    from tests.redis_server import RedisServer


async def test_redis_that_answers_is_healthy(redis_url: str) -> None:
    """The reason says how long it took."""
    async with Redis.from_url(redis_url) as redis:
        health = await RedisAnswers(redis).check()

    assert health.ok
    assert health.reason.startswith("answered in ")


async def test_redis_that_hangs_or_is_gone_is_unhealthy(own_redis_server: RedisServer) -> None:
    """A paused server fails at the limit, a dead one at once."""
    async with Redis.from_url(own_redis_server.url) as redis:
        own_redis_server.pause()
        (hanging,) = await find([RedisAnswers(redis)], limit_s=0.1)
        own_redis_server.resume()
        own_redis_server.kill()
        (gone,) = await find([RedisAnswers(redis)])

    assert (hanging.ok, hanging.reason) == (False, "no answer within 0.1 s")
    assert not gone.ok
    assert gone.reason.startswith("does not answer: ")
