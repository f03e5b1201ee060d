"""Redis itself: memory, policy, durability, and how fast it answers."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from runner import clock
from runner.broker import keys
from runner.broker.blocking import blocking_twin
from runner.broker.reading import Reader, answers
from runner.broker.redis_risks import risks

if TYPE_CHECKING:
    from redis import Redis as BlockingRedis
    from redis.asyncio import Redis

_ROUND_TRIPS: Final = 5


@dataclass(frozen=True, slots=True)
class Store:
    """
    Redis's report on itself.

    Attributes:
        version: Version of Redis or Valkey.
        uptime_s: Seconds since it started.
        memory: Bytes that it uses.
        memory_peak: Bytes that it used at most.
        memory_limit: Bytes that it may use; 0 for no limit.
        policy: What it does at that limit.
        appends: Whether it keeps an append-only file.
        clients: Connected clients.
        commands_per_s: Commands a second.
        answer_ms: Milliseconds of a round trip from this server: the shortest of some, since what
            else this server does only makes them longer.
        risks: Each way in which it may lose jobs, and what to set against it.
        set_aside: Keys that held what is not ours, and were set aside.
    """

    version: str
    uptime_s: int
    memory: int
    memory_peak: int
    memory_limit: int
    policy: str
    appends: bool
    clients: int
    commands_per_s: int
    answer_ms: float
    risks: tuple[str, ...]
    set_aside: int


async def round_trips_ms(redis: Redis, many: int) -> list[float]:
    """
    Return how long *many* round trips take, in milliseconds.

    They are measured in a thread: an event loop that is busy with other work would be measured
    instead of Redis.
    """
    return await asyncio.to_thread(_measured, redis, many)


def _measured(redis: Redis, many: int) -> list[float]:
    took = []
    with _measuring:
        twin = _twins.get(redis)
        if twin is None:
            twin = _twins[redis] = blocking_twin(redis)
        twin.ping()  # which connects, if need be
        for _ in range(many):
            started = clock.monotonic()
            twin.ping()
            took.append((clock.monotonic() - started) * 1000)
    return took


_measuring = threading.Lock()
_twins: WeakKeyDictionary[Redis, BlockingRedis] = WeakKeyDictionary()


async def store(redis: Redis) -> Store:
    """Ask Redis about itself."""
    answer_ms = min(await round_trips_ms(redis, _ROUND_TRIPS))
    info = await redis.info()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.of(redis).aside)
        [aside] = await answers(pipe)
    return Store(
        version=str(info.get("valkey_version") or info.get("redis_version", "?")),
        uptime_s=int(info.get("uptime_in_seconds", 0)),
        memory=int(info.get("used_memory", 0)),
        memory_peak=int(info.get("used_memory_peak", 0)),
        memory_limit=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "?")),
        appends=bool(info.get("aof_enabled", 0)),
        clients=int(info.get("connected_clients", 0)),
        commands_per_s=int(info.get("instantaneous_ops_per_sec", 0)),
        answer_ms=round(answer_ms, 2),
        risks=tuple(await risks(redis)),
        set_aside=Reader().known(aside, 0),
    )
