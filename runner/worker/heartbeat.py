"""
The heartbeat: every few seconds each worker reports that it lives, where, and what it runs.

It sends the progress of running jobs and the counts of ended ones, and fetches what an operator
asks of the worker: to be quiet, to go on, to stop.

`arq --check` reads one health key for each queue. A worker that leaves does not delete it while
others are there: the last one does, or it lapses by itself after three heartbeats.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from runner import clock, machine
from runner.broker import keys
from runner.broker.announced import announce
from runner.broker.reading import Unreadable, answers, count_of
from runner.broker.scripts import BEAT, COUNT
from runner.broker.scripts.fields import Beat, BeatHead
from runner.broker.servers import at
from runner.broker.set_aside import names_of
from runner.codec import encode_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.options import WorkerOptions
    from runner.worker.counts import JobCounts
    from runner.worker.held import Held
    from runner.worker.life import Life
    from runner.worker.slots import Slots

_log = structlog.get_logger("runner.presence")

_LEAVE_LIMIT_S = 1.0

_MOST_DESCRIBED = 200
"""How many running jobs a heartbeat describes; a worker may run thousands."""

_LINES_SHOWN = 20

_ORDER_SHOWN = 100

_RELEASES_KEPT = 200
"""How many releases are known; each deploy adds one."""


class Heartbeat:
    """
    One worker's entry in the register of its queue.

    names: of the jobs that it knows. health_key: where `arq --check` looks. on_beat: called with
    the line that is written there.
    """

    def __init__(
        self,
        options: WorkerOptions,
        redis: Redis,
        queue_key: str,
        *,
        worker_id: str,
        names: Sequence[str],
        health_key: str,
        life: Life,
        outage: Outage,
        slots: Slots,
        counts: JobCounts,
        on_beat: Callable[[str], None],
        redis_clock: RedisClock,
    ) -> None:
        self._options = options
        self._clock = redis_clock
        self._redis = redis
        self._queue_key = queue_key
        self._worker_id = worker_id
        self._names = list(names)
        self._health_key = health_key
        self._life = life
        self._outage = outage
        self._slots = slots
        self._counts = counts
        self._on_beat = on_beat
        self._started_at = self._clock.now()
        self._every_s = options.heartbeat_s
        self._lag_ms = 0.0
        self._answer_ms = 0.0

    async def arrive(self) -> None:
        """Enter the register."""
        if self._options.release:
            await self._outage.call(self._mark_release, unless=self._life.stopping)
        await self._outage.call(self._announce, unless=self._life.stopping)
        self._on_beat(await self._outage.call(self._beat, unless=self._life.stopping))
        _log.info(
            "worker started",
            worker=self._worker_id,
            queue=self._options.queue,
            slots=self._slots.count,
            jobs=self._names,
        )

    async def run(self) -> None:
        """Renew the entry with every heartbeat, until cancelled."""
        while True:
            due = clock.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            # How late the loop runs: what keeps it busy holds up all jobs.
            self._lag_ms = max(0.0, (clock.monotonic() - due) * 1000)
            self._on_beat(await self._outage.call(self._beat))

    async def leave(self) -> None:
        """Leave the register, if Redis answers."""
        try:
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await self._beat()
                if self._counts.batch(self._options.queue, keys.of(self._redis)):
                    await self._beat()  # the first one sent the counts of an earlier beat again
                await self._redis.zrem(self._queue_key + keys.WORKERS_SUFFIX, self._worker_id)
                await self._redis.delete(keys.of(self._redis).worker_prefix + self._worker_id)
        except Exception as error:  # noqa: BLE001 -- a worker that ends by another error raises that one
            _log.info(
                "left without telling Redis; the entry lapses",
                worker=self._worker_id,
                error=f"{type(error).__name__}: {error}",
            )
        _log.info(
            "worker stopped",
            worker=self._worker_id,
            queue=self._options.queue,
            complete=self._counts.complete,
            retried=self._counts.retried,
            failed=self._counts.failed,
        )

    async def _beat(self) -> str:
        """Renew the entry, and send what was counted; return arq's line."""
        started, own = clock.monotonic(), keys.of(self._redis)
        beat = Beat(*await self._redis.eval(BEAT, 2, self._queue_key, own.base, *self._head()))  # type: ignore[misc,arg-type]
        self._answer_ms = (clock.monotonic() - started) * 1000
        self._clock.note(beat.now_ms)
        if counts := self._counts.batch(self._options.queue, own):
            guard = own.metrics_guard_prefix + self._worker_id
            await self._redis.eval(COUNT, 2, guard, own.base, *counts)  # type: ignore[misc]
            self._counts.sent()
        self._obey(beat.order)
        for kind, key, kept_as in names_of(own, beat.set_aside):
            _log.warning("set aside what is not ours", key=key, held=kind, kept_as=kept_as)
        return beat.health.decode()

    def _head(self) -> BeatHead:
        lives_ms = round(max(self._every_s * 3, 1.0) * 1000)
        entry = encode_shown(self._describe())
        return BeatHead(self._worker_id, entry, self._health_key, self._health_line(), lives_ms)

    async def _announce(self) -> None:
        now_ms = self._clock.now_ms()
        await announce(self._redis, [self._options.queue], now_ms=now_ms)

    async def _mark_release(self) -> None:
        now_ms, key = str(self._clock.now_ms()), keys.of(self._redis).releases
        if not await self._redis.hsetnx(key, self._options.release, now_ms):  # type: ignore[misc]
            return
        seen = await self._redis.hgetall(key)  # type: ignore[misc]
        if len(seen) > _RELEASES_KEPT:
            oldest = sorted(seen, key=lambda release: count_of(seen[release]) or 0)
            await self._redis.hdel(key, *oldest[:-_RELEASES_KEPT])  # type: ignore[misc]

    def _obey(self, order: bytes) -> None:
        if not order:
            return
        asked = order[:_ORDER_SHOWN].decode("utf-8", "backslashreplace")
        _log.info("asked by an operator", worker=self._worker_id, order=asked)
        match order:
            case b"quiet":
                self._life.quiet()
            case b"resume":
                self._life.resume()
            case b"stop":
                self._life.stop()

    def _describe(self) -> dict[str, Any]:
        pool = self._slots.places.describe()
        return {
            "id": self._worker_id,
            "queue": self._options.queue,
            "host": machine.this().host,
            "pid": machine.this().pid,
            "slots": self._slots.count,
            "busy": self._slots.running_count,
            **({"pool": pool} if pool else {}),
            "started_at": self._started_at,
            "complete": self._counts.complete,
            "retried": self._counts.retried,
            "failed": self._counts.failed,
            "stopping": self._life.stopping.is_set(),
            "quiet": self._life.is_quiet,
            "jobs": self._names,
            "release": self._options.release,
            "beat_ms": self._clock.now_ms(),
            "rss": machine.this().memory_bytes,
            "lag_ms": round(self._lag_ms, 1),
            "answer_ms": round(self._answer_ms, 1),
            "dead_max_age_s": self._options.dead_max_age_s,
            "running": [
                _running(held)
                for held in itertools.islice(self._slots.running_now(), _MOST_DESCRIBED)
            ],
        }

    def _health_line(self) -> str:
        return (
            f"{self._clock.now():%b-%d %H:%M:%S} j_complete={self._counts.complete} "
            f"j_failed={self._counts.failed} j_retried={self._counts.retried} "
            f"j_ongoing={self._slots.running_count} queued="
        )


def _running(held: Held) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": held.claim.job_id,
        "name": held.envelope.name if held.envelope else None,
        "attempt": held.claim.attempts_spent + 1,
        "started_ms": held.started_ms,
    }
    if held.progress is not None:
        described["progress"] = held.progress
    if held.lines:
        described["log"] = list(held.lines)[-_LINES_SHOWN:]
    return described


async def take_back_health(redis: Redis, queue_key: str, health_key: str) -> None:
    """Delete the health key if no worker of the queue is left: `arq --check` fails at once."""
    try:
        async with asyncio.timeout(_LEAVE_LIMIT_S):
            if not await redis.zcard(queue_key + keys.WORKERS_SUFFIX):
                await redis.delete(health_key)
    except (RedisError, OSError, TimeoutError):
        _log.info("left the health key behind; it lapses", key=health_key)


async def live_workers(redis: Redis, queues: list[str]) -> dict[str, int]:
    """Return for each of *queues* how many workers have a heartbeat that has not lapsed."""
    counts: dict[str, int] = {}
    own, default = keys.of(redis), redis
    for queue in queues:
        redis = at(default, queue)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zrange(own.queue_key(queue) + keys.WORKERS_SUFFIX, 0, -1)
            [ids] = await answers(pipe)
        listed = [] if isinstance(ids, Unreadable) else ids
        named = [own.worker_prefix.encode() + worker_id for worker_id in listed]
        counts[queue] = await redis.exists(*named) if named else 0
    return counts
