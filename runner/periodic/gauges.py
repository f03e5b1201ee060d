"""How many jobs of each state a queue has, in one round trip."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.telemetry.statsd import StatsD


@dataclass(frozen=True, slots=True)
class QueueGauges:
    """
    Jobs of one queue by state, and its latency.

    ready: due now. oldest_wait_s: how long the oldest ready job has been due; 0 if there is none.
    unknown: resting because their workers did not know their names; scheduled counts them, too.
    """

    queue: str
    ready: int
    scheduled: int
    retrying: int
    running: int
    dead: int
    unknown: int
    oldest_wait_s: float
    paused: bool

    def send(self, statsd: StatsD) -> None:
        """Send them as StatsD gauges `queue.<queue>.<state>`; the oldest wait in milliseconds."""
        prefix = f"queue.{self.queue}."
        for state in ("ready", "scheduled", "retrying", "running", "dead"):
            statsd.gauge(prefix + state, getattr(self, state))
        statsd.gauge(prefix + "latency_ms", round(self.oldest_wait_s * 1000))


async def queue_gauges(redis: Redis, queue: str) -> QueueGauges:
    """Count the jobs of *queue* now. The cost does not grow with the queue."""
    key = keys.queue_key(queue)
    now_ms = time.time() * 1000
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zcount(key, "-inf", now_ms)
        pipe.zcard(key)
        pipe.zcount(key + keys.RETRYING_SUFFIX, f"({now_ms}", "+inf")
        pipe.hlen(key + keys.RUNNING_SUFFIX)
        pipe.zcard(key + keys.DEAD_SUFFIX)
        pipe.hlen(key + keys.UNKNOWN_SUFFIX)
        pipe.zrangebyscore(key, "-inf", now_ms, start=0, num=1, withscores=True)
        pipe.exists(key + keys.PAUSED_SUFFIX)
        due, total, retrying, running, dead, unknown, oldest, paused = await pipe.execute()
    return QueueGauges(
        queue=queue,
        ready=due,
        scheduled=max(0, total - due - retrying - running),
        retrying=retrying,
        running=running,
        dead=dead,
        unknown=unknown,
        oldest_wait_s=max(0.0, (now_ms - oldest[0][1]) / 1000) if oldest else 0.0,
        paused=bool(paused),
    )
