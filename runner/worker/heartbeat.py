"""
Who works: each worker says every few seconds that it lives, where, and on what.

The same beat carries the progress of running jobs and the counts of those that ended, and brings
what an operator asks of the worker: to be quiet, to go on, to stop.

arq's one health key for a queue is kept for `arq --check`, but no worker that leaves takes it
away from the others: the last of them does, or it lapses by itself after three heartbeats.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import psutil
import structlog
from pydantic_core import to_json
from redis.exceptions import RedisError

from runner.broker import keys
from runner.broker.scripts import TALLY

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from runner.on_arq.worker import Worker
    from runner.worker.attempt import Held

_log = structlog.get_logger("runner.presence")

_LEAVE_LIMIT_S = 1.0
_MOST_TOLD = 200
"""Running jobs that a beat describes; a worker may run thousands."""

_LINES_TOLD = 20


class Presence:
    """One worker's entry in the register of its queue."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._started_at = datetime.now(UTC)
        self._every_s = worker.options.heartbeat_s
        self._process = psutil.Process()
        self._lag_ms = 0.0
        self._answer_ms = 0.0

    async def arrive(self) -> None:
        """Enter the register; take back to the queue what rests for names known here."""
        worker = self._worker
        if worker.options.release:
            await worker.patience.call(self._mark_release, unless=worker.stopping)
        self._tell(await worker.patience.call(self._beat, unless=worker.stopping))
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
            due = time.perf_counter() + self._every_s
            await asyncio.sleep(self._every_s)
            # How late the loop comes to what is due: what it does meanwhile holds up all jobs.
            self._lag_ms = max(0.0, (time.perf_counter() - due) * 1000)
            self._tell(await self._worker.patience.call(self._beat))

    async def leave(self) -> None:
        """Leave the register, if Redis is there to be told."""
        worker = self._worker
        try:
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await self._beat()
                if worker.tally.batch():
                    await self._beat()  # the first one told what an earlier one had told in vain
                await worker.pool.zrem(worker.queue_name + keys.WORKERS_SUFFIX, worker.id)
                await worker.pool.delete(keys.WORKER_PREFIX + worker.id)
        except Exception as error:  # noqa: BLE001 -- a worker that ends by another error tells that one
            _log.info(
                "left without telling Redis; the entry lapses",
                worker=worker.id,
                error=f"{type(error).__name__}: {error}",
            )
        _log.info(
            "worker stopped",
            worker=worker.id,
            queue=worker.options.queue,
            complete=worker.jobs_complete,
            retried=worker.jobs_retried,
            failed=worker.jobs_failed,
        )

    def _tell(self, health: str) -> None:
        """As arq does with every beat; the last one, which has counts to bring, is ours alone."""
        if self._worker.speaks_arq:
            self._worker.log_health(health)

    async def _beat(self) -> str:
        """Renew the entry, and bring what was counted; returns arq's line."""
        worker = self._worker
        now_ms = time.time_ns() // 1_000_000
        lives_ms = round(max(self._every_s * 3, 1.0) * 1000)
        started = time.perf_counter()
        health = self._health_line(await worker.pool.zcard(worker.queue_name))
        self._answer_ms = (time.perf_counter() - started) * 1000
        counts = worker.tally.batch()
        async with worker.pool.pipeline(transaction=True) as pipe:
            pipe.getdel(keys.ORDER_PREFIX + worker.id)
            if counts:
                pipe.eval(TALLY, 3, worker.tally.guard, keys.METRICS, keys.METRICS_TOTAL, *counts)
            pipe.zadd(worker.queue_name + keys.WORKERS_SUFFIX, {worker.id: now_ms})
            pipe.set(keys.WORKER_PREFIX + worker.id, to_json(self._describe()), px=lives_ms)
            pipe.set(worker.health_check_key, health, px=lives_ms)
            order, *_ = await pipe.execute()
        worker.tally.sent()
        self._obey(order)
        return health

    async def _mark_release(self) -> None:
        worker = self._worker
        now_ms = str(time.time_ns() // 1_000_000)
        await worker.pool.hsetnx(keys.RELEASES, worker.options.release, now_ms)  # type: ignore[misc]

    def _obey(self, order: bytes | None) -> None:
        if order is None:
            return
        _log.info("asked by an operator", worker=self._worker.id, order=order.decode())
        match order:
            case b"quiet":
                self._worker.quiet()
            case b"resume":
                self._worker.resume()
            case b"stop":
                self._worker.stop()

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
            "quiet": worker.is_quiet,
            "jobs": worker.attempts.names,
            "release": worker.options.release,
            "beat_ms": time.time_ns() // 1_000_000,
            "rss": self._process.memory_info().rss,
            "lag_ms": round(self._lag_ms, 1),
            "answer_ms": round(self._answer_ms, 1),
            "running": [
                _running(held)
                for held in itertools.islice(worker.holding.running_now(), _MOST_TOLD)
            ],
        }

    def _health_line(self, queued: int) -> str:
        worker = self._worker
        return (
            f"{datetime.now(UTC):%b-%d %H:%M:%S} j_complete={worker.jobs_complete} "
            f"j_failed={worker.jobs_failed} j_retried={worker.jobs_retried} "
            f"j_ongoing={len(worker.tasks)} queued={queued}"
        )


def _running(held: Held) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": held.claim.job_id,
        "name": held.envelope.name if held.envelope else None,
        "attempt": held.claim.attempts_spent + 1,
        "started_ms": held.started_ms,
    }
    if held.progress is not None:
        told["progress"] = held.progress
    if held.lines:
        told["log"] = list(held.lines)[-_LINES_TOLD:]
    return told


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
