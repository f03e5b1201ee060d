"""
Whose turn it is to poll: one worker of the fleet in each interval, and any other if that one dies.

Every worker asks Redis once an interval. The first to ask polls, and enqueues what comes due until
the next poll at its very moment; if it dies, the next poll makes up for it. The poll is no job: it
takes no slot, and neither metrics nor middleware see it.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from runner import clock
from runner.broker import keys
from runner.broker.outage import is_passing
from runner.broker.reading import Reader, answers, count_of
from runner.broker.scripts import ELECT, SET_BACK
from runner.broker.scripts.fields import ElectHead, Election, SetBackHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.periodic.poller import Poller

_log = structlog.get_logger("runner.poller")

_KEPT_MS = 86_400_000
_CHUNK = 500
_SHORTEST_S = 0.001
_LEAST_LIMIT_S = 10.0


class Turns:
    """One worker's turns to poll *queues* every *interval_s* seconds; lease_s: of their jobs."""

    def __init__(
        self,
        poller: Poller,
        redis: Redis,
        *,
        queues: Sequence[str],
        interval_s: float,
        lease_s: float,
        outage: Outage,
        redis_clock: RedisClock,
        stopping: asyncio.Event,
    ) -> None:
        self._poller = poller
        self._redis = redis
        self._queues = queues
        self._key = keys.of(redis).poll_prefix + _group(
            queues, [one.name for one in poller.schedule]
        )
        self._interval_ms = max(1, round(interval_s * 1000))
        self._lease_ms = round(lease_s * 1000)
        self._limit_s = max(_LEAST_LIMIT_S, interval_s)
        self._outage = outage
        self._clock = redis_clock
        self._stopping = stopping
        self._is_elected = False
        self._next_at = 0.0

    async def take(self) -> None:
        """Poll, if no other worker has in this interval; not once the worker is to stop."""
        try:
            election = await self._outage.call(self._ask, unless=self._stopping)
        except (RedisError, OSError):
            if self._stopping.is_set():
                return
            raise
        self._clock.note(election.now_ms)
        self._next_at = clock.monotonic() + election.next_in_ms / 1000
        self._is_elected = bool(election.is_elected)
        if not self._is_elected:
            return
        await self._attempt(election)

    async def run(self) -> None:
        """Take every turn from the next one on, until the worker is to stop."""
        while not self._stopping.is_set():
            await self._until_next()
            await self.take()

    async def _ask(self) -> Election:
        head = ElectHead(self._interval_ms, _KEPT_MS)
        base = keys.of(self._redis).base
        return Election(*await self._redis.eval(ELECT, 2, self._key, base, *head))  # type: ignore[misc,arg-type]

    async def _attempt(self, election: Election) -> None:
        """Poll within its time. What goes wrong is logged, and the next poll makes up for it."""
        try:
            async with asyncio.timeout(self._limit_s):
                if election.set_back_ms:
                    await self._follow_clock(await self._confirmed(election))
                await self._poller.poll()
        except TimeoutError:
            _log.warning("poll cut off after its time; the next one goes on", limit_s=self._limit_s)
        except (RedisError, OSError) as error:
            if is_passing(error):
                self._outage.note_loss(error)
            else:
                _log.exception("poll failed; the next one makes up for it")
        except Exception:  # noqa: BLE001 -- a schedule's arguments are a user's; the jobs must go on
            _log.exception("poll failed; the next one makes up for it")

    async def _until_next(self) -> None:
        """Wait for the next poll; whoever was elected enqueues what comes due before it."""
        while (left_s := self._next_at - clock.monotonic()) > 0:
            tick_in_s = self._next_tick_in_s() if self._is_elected else left_s
            if tick_in_s >= left_s:
                await asyncio.sleep(left_s)
                return
            await asyncio.sleep(max(_SHORTEST_S, tick_in_s))
            try:
                await self._poller.enqueue_due(self._clock.now())
            except Exception:  # noqa: BLE001 -- likewise
                _log.exception("ticks not enqueued; the next poll makes up for it")
                self._is_elected = False

    def _next_tick_in_s(self) -> float:
        now = self._clock.now()
        waits = [(one.next_after(now) - now).total_seconds() for one in self._poller.schedule]
        return min(waits, default=float("inf"))

    async def _confirmed(self, election: Election) -> int:
        """
        Return how far the clock was set back at most, as it was noted again or each queue has it.

        What stands at one key alone may be anybody's, and would make all scheduled jobs due.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.of(self._redis).polls, list(self._queues))
            [noted] = await answers(pipe)
        polls = Reader().known(noted, [])
        noted_ms = [election.noted_ms, *(count_of(ms) or 0 for ms in polls)]
        ahead_ms = max(noted_ms) - self._clock.now_ms()
        return min(election.set_back_ms, ahead_ms + self._interval_ms) if ahead_ms > 0 else 0

    async def _follow_clock(self, set_back_ms: int) -> None:
        """Let jobs come due that stand in the future since Redis's clock was set back."""
        if not set_back_ms:
            _log.warning("last poll lies in the future, but no queue's does: it counts as none")
            return
        _log.warning(
            "Redis's clock was set back: what was due stays due",
            seconds=round(set_back_ms / 1000, 1),
        )
        # The clock may have gone on for one interval after the last poll.
        jump_ms = set_back_ms + self._interval_ms
        until_ms, own = self._clock.now_ms() + jump_ms, keys.of(self._redis)
        for queue in self._queues:
            skip = 0
            while skip >= 0:
                head = SetBackHead(until_ms, jump_ms, self._lease_ms, skip, _CHUNK)
                skip = await self._redis.eval(SET_BACK, 2, own.queue_key(queue), own.base, *head)  # type: ignore[misc,arg-type]


def _group(queues: Sequence[str], schedules: Sequence[str]) -> str:
    """Return a short name for workers that poll the same: applications on one Redis do not."""
    text = "\n".join([*sorted(queues), "", *sorted(schedules)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
