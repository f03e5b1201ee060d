"""What the poller tidies: workers that are gone, parked jobs, and the oldest dead jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from runner.admin import Admin
from runner.broker import keys
from runner.broker.chunks import chunks
from runner.broker.scripts import LANE, RELEASE, UNPARK
from runner.broker.scripts.fields import LaneHead, ReleaseHead, UnparkHead
from runner.states import Found

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = structlog.get_logger("runner.trim")

_CHUNK = 500
_OFFERED = 10
_LOOKS = 10
_LANES = 50
_ABORT_MS = 86_400_000
_METRICS_MS = 4 * 86_400_000
_AHEAD_MS = 86_400_000
"""A time so far ahead is none that a worker of ours wrote."""


async def trim_workers(redis: Redis, queue: str) -> int:
    """Remove workers whose heartbeat has lapsed from the register of *queue*; return how many."""
    register = keys.of(redis).queue_key(queue) + keys.WORKERS_SUFFIX
    ids = await redis.zrange(register, 0, -1)
    if not ids:
        return 0
    entries = await redis.mget(
        [keys.of(redis).worker_prefix.encode() + worker_id for worker_id in ids]
    )
    gone = [worker_id for worker_id, entry in zip(ids, entries, strict=True) if entry is None]
    return await redis.zrem(register, *gone) if gone else 0


async def offer_parked(redis: Redis, queue: str) -> None:
    """
    Put a few parked jobs of each label back into *queue*.

    A stock arq worker, which knows nothing of parking, may have their code. Ours park them again.
    """
    key = keys.of(redis).queue_key(queue)
    _, labels = await redis.sscan(key + keys.PARKED_NAMES_SUFFIX, count=_OFFERED)
    for label in labels[:_OFFERED]:
        await redis.eval(UNPARK, 2, key, keys.of(redis).base, *UnparkHead(_OFFERED), label)  # type: ignore[misc,arg-type]


async def free_keys(redis: Redis, queue: str, cursor: int) -> int:
    """
    Free unique keys of jobs that a program has ended which knows no keys; return where to go on.

    Whoever enqueues the next job of such a key takes it all the same; but a job that waits for it
    would wait for ever. One call looks at a few hundred.
    """
    key = keys.of(redis).queue_key(queue)
    found = await redis.hscan(key + keys.UNIQUE_SUFFIX, cursor, count=_CHUNK)
    ids = [*found[1]]
    for chunk in chunks(ids, most=_CHUNK):
        args = [*ReleaseHead("look"), *chunk]
        freed = await redis.eval(RELEASE, 2, key, keys.of(redis).base, *args)  # type: ignore[misc]
        if freed:
            _log.warning("unique keys freed: their jobs are gone", queue=queue, keys=freed)
    return int(found[0])


async def forget_head_starts(redis: Redis, queue: str, cursor: int) -> int:
    """
    Forget the head starts of jobs that a program has ended which knows none; return where to go on.

    One call looks at a few hundred.
    """
    own = keys.of(redis)
    key = own.queue_key(queue)
    cursor, found = await redis.hscan(key + keys.AHEAD_SUFFIX, cursor, count=_CHUNK)
    for chunk in chunks([*found], most=_CHUNK):
        await redis.eval(RELEASE, 2, key, own.base, *ReleaseHead("ahead"), *chunk)  # type: ignore[misc]
    return int(cursor)


async def look_after_lanes(redis: Redis, queue: str, cursor: int) -> int:
    """
    Let jobs in whose places were left by a program that knows no lanes; return where to go on.

    One call looks at a few thousand lanes.
    """
    key, own = keys.of(redis).queue_key(queue), keys.of(redis)
    for _ in range(_LOOKS):
        cursor, found = await redis.hscan(key + keys.LANES_SUFFIX, cursor, count=_CHUNK)
        for chunk in chunks([*found], most=_LANES):
            args = [*LaneHead("look"), *chunk]
            changed = await redis.eval(LANE, 2, key, own.base, *args)  # type: ignore[misc]
            if changed:
                _log.warning("places in lanes were free", queue=queue, jobs=changed)
        if not cursor:
            break
    return int(cursor)


async def trim_by_time(redis: Redis, *, now_ms: float) -> None:
    """Forget aborts of a day ago, whose jobs never came, and jobs that no longer have counts."""
    for key, kept_ms in ((keys.of(redis).abort, _ABORT_MS), (keys.of(redis).metrics, _METRICS_MS)):
        for low, high in (("-inf", now_ms - kept_ms), (now_ms + _AHEAD_MS, "+inf")):
            old = await redis.zrangebyscore(key, low, high, start=0, num=_CHUNK)
            if old:
                await redis.zrem(key, *old)


async def trim_dead(
    redis: Redis, queue: str, *, now_ms: float, max_jobs: int | None, max_age_s: float | None
) -> int:
    """
    Delete dead jobs of *queue* beyond *max_jobs* or older than *max_age_s*; return how many.

    now_ms: Redis's time, Unix ms. None keeps everything.
    """
    dead = keys.of(redis).queue_key(queue) + keys.DEAD_SUFFIX
    victims: list[bytes] = []
    if max_age_s is not None:
        oldest_ms = now_ms - max_age_s * 1000
        victims += await redis.zrangebyscore(dead, "-inf", oldest_ms, start=0, num=_CHUNK)
    if max_jobs is not None:
        beyond = await redis.zcard(dead) - max_jobs
        if beyond > 0:
            victims += await redis.zrange(dead, 0, min(beyond, _CHUNK) - 1)
    found = await Admin(redis).act_on_all("trim", queue, list(dict.fromkeys(victims)))
    trimmed = found.count(Found.DEAD)
    if trimmed:
        _log.info("dead jobs trimmed", queue=queue, jobs=trimmed)
    return trimmed


async def trim_done(
    redis: Redis, queue: str, *, now_ms: float, keep: int | None, keep_s: float | None
) -> None:
    """List no jobs of *queue* that ended before the last *keep*, or longer ago than *keep_s*."""
    done = keys.of(redis).queue_key(queue) + keys.DONE_SUFFIX
    old: list[bytes] = []
    if keep is not None and (beyond := await redis.zcard(done) - keep) > 0:
        old += await redis.zrange(done, 0, min(beyond, _CHUNK) - 1)
    if keep_s is not None:
        oldest_ms = now_ms - keep_s * 1000
        old += await redis.zrangebyscore(done, "-inf", oldest_ms, start=0, num=_CHUNK)
    if old:
        await redis.zrem(done, *old)
