"""Gauges and Redis's memory over time: one entry for each poll of the last eight hours or so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, count_of
from runner.broker.set_aside import note

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.periodic.gauges import QueueGauges

_MOST = 1920
"""Eight hours of polls every 15 seconds."""


async def note_depth(redis: Redis, gauges: QueueGauges) -> None:
    """Add *gauges* to the series of their queue; the oldest are dropped."""
    fields = {
        "ready": gauges.ready,
        "running": gauges.running,
        "scheduled": gauges.scheduled,
        "retrying": gauges.retrying,
        "dead": gauges.dead,
        "oldest_wait_ms": round(gauges.oldest_wait_s * 1000),
    }
    await note(redis, keys.of(redis).depth_prefix + gauges.queue, _MOST, fields)


@dataclass(frozen=True, slots=True)
class Growth:
    """How much memory Redis took in the last *hours*, in bytes a day."""

    per_day: float
    hours: float


async def note_memory(redis: Redis) -> None:
    """Add the memory that Redis uses now to its series; the oldest are dropped."""
    used = (await redis.info("memory"))["used_memory"]
    await note(redis, keys.of(redis).memory, _MOST, {"used": used})


async def memory_growth(redis: Redis) -> Growth | None:
    """Return how fast Redis's memory grows; None before an hour of polls, or if nobody can tell."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xrange(keys.of(redis).memory, count=1)
        pipe.xrevrange(keys.of(redis).memory, count=1)
        first, last = await answers(pipe)
    if isinstance(first, Unreadable) or isinstance(last, Unreadable) or not first or not last:
        return None
    (begun, begun_with), (ended, ended_with) = first[0], last[0]
    hours = (_ms(ended) - _ms(begun)) / 3_600_000
    before, after = count_of(begun_with.get(b"used")), count_of(ended_with.get(b"used"))
    if hours < 1 or before is None or after is None:
        return None
    return Growth((after - before) / hours * 24, hours)


def _ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
