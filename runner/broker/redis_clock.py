"""
Redis's time without a call: its last answer, and what has passed here since.

Every decision about time is Redis's. What a worker labels (when an attempt started, when it beat)
follows the same clock, so times of different workers compare, whatever their machines' clocks say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner import clock
from runner.broker.servers import awake

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisClock:
    """The time of one worker's Redis. Its stages share it, and each answer sets it."""

    def __init__(self) -> None:
        self._ahead_ms = 0.0

    def note(self, redis_ms: float) -> None:
        """Note that Redis answered with its time, Unix ms."""
        self._ahead_ms = redis_ms - clock.monotonic() * 1000

    def now(self) -> datetime:
        """Return Redis's time in UTC."""
        return datetime.fromtimestamp(self.now_ms() / 1000, UTC)

    def now_ms(self) -> int:
        """Return Redis's time, Unix ms, late by the way of one answer."""
        return self.ms_at(clock.monotonic())

    def ms_at(self, moment: float) -> int:
        """Return what Redis's time was at *moment* of `clock.monotonic`, Unix ms."""
        return int(moment * 1000 + self._ahead_ms)


async def redis_now(redis: Redis) -> datetime:
    """Return Redis's time, to the millisecond: as scripts and ticks have it."""
    seconds, micros = await awake(redis).time()
    return datetime.fromtimestamp(seconds + micros // 1000 / 1000, UTC)
