"""
The last tick of each schedule: the moment up to which its jobs have been enqueued.

A schedule is known by its queue and its name, so two applications with queues of their own share a
Redis without taking each other's ticks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.broker import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.periodic.schedule import Periodic


def field_of(periodic: Periodic) -> str:
    """Return the field of *periodic* in the hashes of ticks and of paused schedules."""
    return f"{periodic.job.queue}|{periodic.name}"


async def last_ticks(redis: Redis, schedule: Sequence[Periodic]) -> list[datetime | None]:
    """Return the last tick of each of *schedule*; None if it never had one."""
    if not schedule:
        return []
    # Earlier releases knew a schedule by its name alone.
    fields = [field_of(one) for one in schedule] + [one.name for one in schedule]
    found: list[bytes | None] = await redis.hmget(keys.TICKS, fields)  # type: ignore[misc]
    return [
        None if (ms := new or old) is None else datetime.fromtimestamp(int(ms) / 1000, UTC)
        for new, old in zip(found[: len(schedule)], found[len(schedule) :], strict=True)
    ]


async def paused(redis: Redis, schedule: Sequence[Periodic]) -> list[bytes | None]:
    """Return for each of *schedule* who paused it; None if nobody did."""
    if not schedule:
        return []
    fields = [field_of(one) for one in schedule] + [one.name for one in schedule]
    notes: list[bytes | None] = await redis.hmget(keys.SCHEDULE_PAUSED, fields)  # type: ignore[misc]
    return [
        new or old for new, old in zip(notes[: len(schedule)], notes[len(schedule) :], strict=True)
    ]


async def start_from(redis: Redis, periodic: Periodic, moment: datetime) -> None:
    """Let *periodic* count from *moment* on: earlier ticks enqueue nothing."""
    await redis.hset(keys.TICKS, field_of(periodic), tick_ms(moment))  # type: ignore[misc]


def tick_ms(moment: datetime) -> str:
    """Return *moment* in Unix ms."""
    return str(round(moment.timestamp() * 1000))
