"""Gauges and Redis's memory over time: one entry for each poll of the last eight hours or so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.periodic.gauges import QueueGauges

_MOST = 1920
"""Eight hours of polls every 15 seconds."""


async def note_depth(redis: Redis, gauges: QueueGauges) -> None:
    """Add *gauges* to the series of their queue; the oldest are dropped."""
    await redis.xadd(
        keys.DEPTH_PREFIX + gauges.queue,
        {
            "ready": gauges.ready,
            "running": gauges.running,
            "scheduled": gauges.scheduled,
            "retrying": gauges.retrying,
            "dead": gauges.dead,
            "oldest_wait_ms": round(gauges.oldest_wait_s * 1000),
        },
        maxlen=_MOST,
        approximate=True,
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """How much memory Redis took in the last *hours*, in bytes a day."""

    per_day: float
    hours: float


async def note_memory(redis: Redis) -> None:
    """Add the memory that Redis uses now to its series; the oldest are dropped."""
    used = (await redis.info("memory"))["used_memory"]
    await redis.xadd(keys.MEMORY, {"used": used}, maxlen=_MOST, approximate=True)


async def memory_growth(redis: Redis) -> Growth | None:
    """Return how fast Redis's memory grows; None before an hour of polls."""
    first = await redis.xrange(keys.MEMORY, count=1)
    last = await redis.xrevrange(keys.MEMORY, count=1)
    if not first or not last:
        return None
    (begun, begun_with), (ended, ended_with) = first[0], last[0]
    hours = (_ms(ended) - _ms(begun)) / 3_600_000
    if hours < 1:
        return None
    grown = int(ended_with[b"used"]) - int(begun_with[b"used"])
    return Growth(grown / hours * 24, hours)


def _ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
