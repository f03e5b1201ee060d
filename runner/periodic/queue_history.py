"""A queue's gauges over time: one entry for each poll of the last eight hours or so."""

from __future__ import annotations

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
