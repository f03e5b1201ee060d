"""
The last tick of each schedule: the moment up to which its jobs have been enqueued.

A schedule is known by its queue and its name, so two applications with queues of their own share a
Redis without taking each other's ticks.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from runner import chance
from runner.broker import keys
from runner.broker.reading import Unreadable, answers, count_of, moment
from runner.broker.servers import at, by_server
from runner.enqueue import Enqueue, set_limits
from runner.partitions import head_start_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.periodic.schedule import Periodic


_MINUTE_MS: Final = 60_000


def field_of(periodic: Periodic) -> str:
    """Return the field of *periodic* in the hashes of ticks and of paused schedules."""
    return f"{periodic.job.queue}|{periodic.name}"


async def last_ticks(
    redis: Redis, schedule: Sequence[Periodic]
) -> list[datetime | Unreadable | None]:
    """Return the last tick of each of *schedule*; None if it never had one."""
    key = keys.of(redis).ticks
    found = await _of_each(redis, key, schedule)
    return [_tick(key, one, ms) for one, ms in zip(schedule, found, strict=True)]


async def last_runs(
    redis: Redis, schedule: Sequence[Periodic]
) -> list[datetime | Unreadable | None]:
    """
    Return the last tick of each of *schedule* that enqueued its job; None if none has.

    A schedule counts from the moment at which it was first seen or resumed: that is no tick.
    """
    found = await last_ticks(redis, schedule)
    return [None if isinstance(one, datetime) and _is_start(one) else one for one in found]


def _is_start(moment: datetime) -> bool:
    """Ticks are whole minutes, and no start is; see `start_ms`."""
    return bool(int(tick_ms(moment)) % _MINUTE_MS)


def start_ms(moment: datetime) -> str:
    """Return *moment* in Unix ms, as what a schedule counts from: never a whole minute."""
    ms = int(tick_ms(moment))
    return str(ms if ms % _MINUTE_MS else ms + 1)


def _tick(
    key: str, periodic: Periodic, ms: bytes | Unreadable | None
) -> datetime | Unreadable | None:
    if ms is None or isinstance(ms, Unreadable):
        return ms
    return moment(count_of(ms)) or Unreadable(f"{key} {field_of(periodic)}", "is no time")


async def paused(redis: Redis, schedule: Sequence[Periodic]) -> list[bytes | Unreadable | None]:
    """Return for each of *schedule* the note of who paused it; None if nobody did."""
    return await _of_each(redis, keys.of(redis).schedule_paused, schedule)


async def _of_each(
    redis: Redis, key: str, schedule: Sequence[Periodic]
) -> list[bytes | Unreadable | None]:
    """Each is noted where the queue of its job is."""
    found: dict[int, bytes | Unreadable | None] = {}
    for one, queues in by_server(redis, dict.fromkeys(each.job.queue for each in schedule)):
        here = [each for each in schedule if each.job.queue in queues]
        found |= zip(map(id, here), await _fields(one, key, here), strict=True)
    return [found[id(each)] for each in schedule]


async def _fields(
    redis: Redis, key: str, schedule: Sequence[Periodic]
) -> list[bytes | Unreadable | None]:
    if not schedule:
        return []
    # Earlier releases knew a schedule by its name alone.
    fields = [field_of(one) for one in schedule] + [one.name for one in schedule]
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hmget(key, fields)
        [found] = await answers(pipe)
    if isinstance(found, Unreadable):
        return [found] * len(schedule)
    pairs = zip(found[: len(schedule)], found[len(schedule) :], strict=True)
    return [old if new is None else new for new, old in pairs]


async def start_from(redis: Redis, periodic: Periodic, moment: datetime) -> None:
    """Let *periodic* count from *moment* on: earlier ticks enqueue nothing."""
    redis = at(redis, periodic.job.queue)
    await redis.hset(keys.of(redis).ticks, field_of(periodic), start_ms(moment))  # type: ignore[misc]


def request_at(periodic: Periodic, tick: datetime) -> Enqueue:
    """Return what to enqueue for *tick*, at a random moment within the jitter."""
    jitter_ms = round(chance.spread() * periodic.jitter_s * 1000)
    args, kwargs = periodic.job.check((), periodic.kwargs)
    own = periodic.job.options_of_worker
    request = Enqueue(
        queue=periodic.job.queue,
        job_id=f"{field_of(periodic)}:{tick_ms(tick)}",
        name=periodic.job.name,
        args=args,
        kwargs=kwargs,
        unique=True,
        delay_ms=jitter_ms or None,
        schedule=periodic.name,
        tick_ms=int(tick_ms(tick)),
        period_ms=round(periodic.period_at(tick).total_seconds() * 1000),
        overlap=periodic.overlap,
        job=periodic.job,
        only_one=own.unique,
        lane=own.lane,
        ahead_ms=head_start_ms(periodic.job.queue, own.priority),
    )
    set_limits(request, own.start_within_s, own.deadline_s)
    return request


def tick_ms(moment: datetime) -> str:
    """Return *moment* in Unix ms."""
    return str(round(moment.timestamp() * 1000))
