"""What `pipeline doctor` finds of Redis beyond its settings: clocks, replicas, growth."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis, SSLConnection
from redis.exceptions import RedisError, ResponseError

from runner.broker import keys
from runner.broker.blocking import twin_options
from runner.broker.reading import Unreadable, answers, count_of
from runner.broker.redis_clock import redis_now
from runner.periodic.queue_history import memory_growth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SKEW_S = 1.0
_REPLICA_LIMIT_S = 1.0
_MOST_REPLICAS = 10
_DAYS_LEFT = 14
_DAYS_FORETOLD = 3650


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that was checked. remedy: what to do about it; empty if all is well."""

    name: str
    text: str
    remedy: str = ""


async def clock_concern(redis: Redis) -> Concern | None:
    """Return whether Redis's clock was set back; until the next poll, what was due stands still."""
    now = await redis_now(redis)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hvals(keys.of(redis).polls)
        [noted] = await answers(pipe)
    times = () if isinstance(noted, Unreadable) else map(count_of, noted)
    last = max((ms for ms in times if ms is not None), default=0) / 1000
    if last <= now.timestamp() + _SKEW_S:
        return None
    return Concern(
        "Redis's clock",
        f"was set back by {last - now.timestamp():.0f} s since the last poll",
        "The next poll makes due jobs due again. Let NTP slew the clock, not step it.",
    )


async def replica_concerns(redis: Redis) -> AsyncIterator[Concern]:
    """Look at each replica: how far it is behind, and whether its clock agrees."""
    info = await redis.info("replication")
    replicas = [one for name, one in sorted(info.items()) if _is_replica(name, one)]
    if not replicas:
        return
    try:
        given = await redis.config_get("min-replicas-to-write")
        least = int(given.get("min-replicas-to-write") or 0)
    except ResponseError:
        least = 1  # a managed Redis hides its configuration
    if not least:
        yield Concern(
            "replicas",
            f"{len(replicas)}, and none needs to have a job before its caller is answered",
            "A failover may lose the last jobs: set min-replicas-to-write 1, or enqueue with "
            "copies=1 what must not be lost.",
        )
    for one in replicas[:_MOST_REPLICAS]:
        if (concern := await _replica_clock(redis, str(one["ip"]), int(one["port"]))) is not None:
            yield concern


def _is_replica(name: str, value: Any) -> bool:
    return name.startswith("slave") and isinstance(value, dict) and "ip" in value


async def _replica_clock(redis: Redis, host: str, port: int) -> Concern | None:
    name = f"replica {host}:{port}"
    pool = redis.connection_pool
    given = twin_options(pool.connection_kwargs, _REPLICA_LIMIT_S, without=("host", "port", "path"))
    if issubclass(pool.connection_class, SSLConnection):
        given["ssl"] = True
    replica = Redis(host=host, port=port, **given)
    try:
        async with asyncio.timeout(_REPLICA_LIMIT_S):
            ahead = await redis_now(replica) - await redis_now(redis)
    except (RedisError, OSError, TimeoutError):
        return Concern(name, "its clock is not known from here: it does not answer")
    finally:
        await replica.aclose()
    if abs(ahead) < timedelta(seconds=_SKEW_S):
        return None
    return Concern(
        name,
        f"its clock differs by {abs(ahead.total_seconds()):.0f} s",
        "Synchronise it by NTP: after a failover its clock decides what is due.",
    )


async def growth_concern(redis: Redis) -> Concern:
    """Return how fast Redis's memory grows, and when it is full."""
    growth = await memory_growth(redis)
    if growth is None:
        return Concern("growth", "not known before an hour of polls")
    info = await redis.info("memory")
    limit = int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0))
    left = limit - int(info["used_memory"])
    a_day = f"{growth.per_day / 1e6:,.1f} MB a day over the last {growth.hours:.0f} h"
    if growth.per_day <= 0 or not limit:
        return Concern("growth", a_day)
    days = left / growth.per_day
    full_at = datetime.now(UTC) + timedelta(days=min(days, _DAYS_FORETOLD))
    text = f"{a_day}: full on {full_at:%Y-%m-%d}" if days < _DAYS_FORETOLD else a_day
    remedy = "docs/limits.md says what grows, and what trims it." if days < _DAYS_LEFT else ""
    return Concern("growth", text, remedy)
