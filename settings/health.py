"""What has to hold for the whole to be well: asked by the health pages and `pipeline health`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.periodic.poller import last_poll_at
from runner.processes.health import (
    Answers,
    HealthCheck,
    PollerIsFresh,
    QueuesHaveWorkers,
    RedisAnswers,
)
from runner.worker.heartbeat import live_workers

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


def checks_beside_redis(settings: Settings) -> list[HealthCheck]:
    """The database has the tables of this program, and the name of the StatsD host is known."""
    checks: list[HealthCheck] = [Answers("database", lambda: _ask_database(settings))]
    if settings.statsd is not None:
        checks.append(Answers("statsd", lambda: _resolve(*settings.statsd or ("", 0))))
    return checks


async def _ask_database(settings: Settings) -> None:
    from jobs.store import open_store

    async with open_store(settings.database) as store:
        await store.ping()


async def _resolve(host: str, port: int) -> None:
    """UDP has no answer: a name that resolves is all that can be known."""
    await asyncio.get_running_loop().getaddrinfo(host, port)
