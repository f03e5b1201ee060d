"""What has to hold for the whole to be well: asked by the health pages and `pipeline health`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.health import Answers, HealthCheck, PollerIsFresh, QueuesHaveWorkers, RedisAnswers
from runner.poller import last_poll_at
from runner.presence import live_workers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from settings.environment import Settings


def health_checks(
    settings: Settings,
    redis: Redis,
    queues: Sequence[str],
    ask_database: Callable[[], Awaitable[object]],
) -> list[HealthCheck]:
    """Redis answers, each of *queues* has a live worker, the poller is fresh, the database too."""
    return [
        RedisAnswers(redis),
        QueuesHaveWorkers(queues, lambda: live_workers(redis, list(queues))),
        PollerIsFresh(lambda: last_poll_at(redis), interval_s=settings.scheduled_poll_interval_s),
        Answers("database", ask_database),
    ]
