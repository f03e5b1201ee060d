"""
Who works: each worker says every few seconds that it lives, where, and on what.

arq's one health key for a queue is kept for `arq --check`, but no worker that leaves takes it
away from the others: the last of them does, or it lapses by itself after three heartbeats.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import structlog
from pydantic_core import from_json, to_json
from redis.exceptions import RedisError

from runner import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.worker import Worker

_log = structlog.get_logger("runner.presence")

_LEAVE_LIMIT_S = 1.0


class Presence:
    """One worker's entry in the register of its queue."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._started_at = datetime.now(UTC)
        self._every_s = worker.options.heartbeat_s

    async def arrive(self) -> None:
        """Enter the register; take back to the queue what rests for names known here."""
        worker = self._worker
        await worker.patience.call(self._beat, unless=worker.stopping)
        await worker.patience.call(self._offer_known, unless=worker.stopping)
        _log.info(
            "worker started",
            worker=worker.id,
            queue=worker.options.queue,
            slots=worker.max_jobs,
            jobs=worker.attempts.names,
        )

    async def run(self) -> None:
        """Say every heartbeat that the worker lives, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self._worker.patience.call(self._beat)

    async def leave(self) -> None:
        """Leave the register, if Redis is there to be told."""
        worker = self._worker
        try:
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await worker.pool.zrem(worker.queue_name + keys.WORKERS_SUFFIX, worker.id)
                await worker.pool.delete(keys.WORKER_PREFIX + worker.id)
        except (RedisError, OSError, TimeoutError):
            _log.info("left without telling Redis; the entry lapses", worker=worker.id)
        _log.info(
            "worker stopped",
            worker=worker.id,
            queue=worker.options.queue,
            complete=worker.jobs_complete,
            retried=worker.jobs_retried,
            failed=worker.jobs_failed,
        )

    async def _beat(self) -> None:
        worker = self._worker
        now_ms = time.time_ns() // 1_000_000
        lives_ms = round(max(self._every_s * 3, 1.0) * 1000)
        health = self._health_line(await worker.pool.zcard(worker.queue_name))
        async with worker.pool.pipeline(transaction=True) as pipe:
            pipe.zadd(worker.queue_name + keys.WORKERS_SUFFIX, {worker.id: now_ms})
            pipe.set(keys.WORKER_PREFIX + worker.id, to_json(self._describe()), px=lives_ms)
            pipe.set(worker.health_check_key, health, px=lives_ms)
            await pipe.execute()
        if worker.speaks_arq:
            worker.log_health(health)

    async def _offer_known(self) -> None:
        """Jobs that rest because no worker knew their name need not rest any longer."""
        worker = self._worker
        unknown = worker.queue_name + keys.UNKNOWN_SUFFIX
        names: dict[bytes, bytes] = await worker.pool.hgetall(unknown)  # type: ignore[misc]
        known = set(worker.attempts.names)
        ids = [job_id for job_id, name in names.items() if name.decode("utf-8", "replace") in known]
        if ids:
            async with worker.pool.pipeline(transaction=True) as pipe:
                now_ms = time.time_ns() // 1_000_000
                pipe.zadd(worker.queue_name, dict.fromkeys(ids, now_ms), xx=True, lt=True)
                pipe.hdel(unknown, *cast("list[str]", ids))
                await pipe.execute()

    def _describe(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "id": worker.id,
            "queue": worker.options.queue,
            "host": platform.node(),
            "pid": os.getpid(),
            "slots": worker.max_jobs,
            "busy": len(worker.tasks),
            "started_at": self._started_at,
            "complete": worker.jobs_complete,
            "retried": worker.jobs_retried,
            "failed": worker.jobs_failed,
            "stopping": worker.stopping.is_set(),
            "jobs": worker.attempts.names,
        }

    def _health_line(self, queued: int) -> str:
        worker = self._worker
        return (
            f"{datetime.now(UTC):%b-%d %H:%M:%S} j_complete={worker.jobs_complete} "
            f"j_failed={worker.jobs_failed} j_retried={worker.jobs_retried} "
            f"j_ongoing={len(worker.tasks)} queued={queued}"
        )


async def take_back_health(redis: Redis, queue_key: str, health_key: str) -> None:
    """The last worker of a queue to go takes the health key away: `arq --check` fails at once."""
    try:
        async with asyncio.timeout(_LEAVE_LIMIT_S):
            if not await redis.zcard(queue_key + keys.WORKERS_SUFFIX):
                await redis.delete(health_key)
    except (RedisError, OSError, TimeoutError):
        _log.info("left the health key behind; it lapses", key=health_key)


async def live_workers(redis: Redis, queues: list[str]) -> dict[str, int]:
    """For each of *queues*, how many workers have given a sign of life that has not lapsed."""
    counts: dict[str, int] = {}
    for queue in queues:
        ids = await redis.zrange(keys.queue_key(queue) + keys.WORKERS_SUFFIX, 0, -1)
        named = [keys.WORKER_PREFIX + worker_id.decode() for worker_id in ids]
        counts[queue] = await redis.exists(*named) if named else 0
    return counts


async def describe_workers(redis: Redis, queue: str) -> list[dict[str, Any]]:
    """What each live worker of *queue* says of itself."""
    ids = await redis.zrange(keys.queue_key(queue) + keys.WORKERS_SUFFIX, 0, -1)
    if not ids:
        return []
    entries = await redis.mget([keys.WORKER_PREFIX + worker_id.decode() for worker_id in ids])
    return [from_json(entry) for entry in entries if entry is not None]
