"""How many jobs of each state a queue has, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.scripts import GAUGES
from runner.broker.scripts.fields import Gauges

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.telemetry.statsd import StatsD


@dataclass(frozen=True, slots=True)
class QueueGauges:
    """
    Jobs of one queue by state, and its latency.

    ready: due now. oldest_wait_s: how long the oldest ready job has been due; 0 if there is none.
    done: ended without dying, as far as they are listed. parked: since their workers did not know
    their names or parameters. waiting: for jobs that have their unique keys, or
    for places in their lanes. unreadable: the states
    whose jobs cannot be counted, since another type stands at their key; 0 stands for them.
    """

    queue: str
    ready: int
    scheduled: int
    retrying: int
    running: int
    dead: int
    done: int
    parked: int
    waiting: int
    oldest_wait_s: float
    paused: bool
    unreadable: tuple[str, ...] = ()

    def send(self, statsd: StatsD) -> None:
        """Send them as StatsD gauges `queue.<queue>.<state>`; the oldest wait in milliseconds."""
        prefix = f"queue.{self.queue}."
        for state in ("ready", "scheduled", "retrying", "waiting", "running", "dead"):
            if state not in self.unreadable:
                statsd.gauge(prefix + state, getattr(self, state))
        statsd.gauge(prefix + "latency_ms", round(self.oldest_wait_s * 1000))


async def queue_gauges(redis: Redis, queue: str) -> QueueGauges:
    """Count the jobs of *queue* now, by Redis's clock. The cost does not grow with the queue."""
    counted = Gauges(*await redis.eval(GAUGES, 1, keys.of(redis).queue_key(queue)))  # type: ignore[misc]  # redis-py's own hints: sync or async
    others = min(0, counted.due, counted.total, counted.retrying, counted.running)
    scheduled = others or counted.total - counted.due - counted.retrying - counted.running
    states = {
        "ready": counted.due,
        "scheduled": scheduled if others else max(0, scheduled),
        "retrying": counted.retrying,
        "running": counted.running,
        "dead": counted.dead,
        "done": counted.done,
        "parked": counted.parked,
        "waiting": counted.waiting,
    }
    return QueueGauges(
        queue=queue,
        **{state: max(0, jobs) for state, jobs in states.items()},
        oldest_wait_s=counted.oldest_wait_ms / 1000,
        paused=bool(counted.paused),
        unreadable=tuple(state for state, jobs in states.items() if jobs < 0),
    )
