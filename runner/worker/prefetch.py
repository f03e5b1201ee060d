"""
Claims ahead of free slots, so that a worker whose jobs end fast never waits for Redis between them.

While every claim comes back full and jobs end fast, the next batch is asked for before there is a
slot for it, and waits here. What holds for a claim that waits:

1. Redis has it as held, and marked `…|ahead…`: it was not started. If its worker dies, or its lease
   ends, the job runs again elsewhere without a crash.
2. The mark is taken off before the job's first step. That is written and not waited for: what the
   kernel has taken reaches Redis though this process should end in that very step.
3. It waits for a tenth of a second at most, and never for more than a quarter of its lease, so a
   slow job delays nobody: after that, and on a stop or a pause of the queue, it is given back as if
   it had never been made, due as it was. So it needs no heartbeat.
4. There are never more of them than slots or, where more end within a hundredth of a second, than
   that, and 64: a claim costs nearly as much for ten as for six times as many.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import START
from runner.broker.scripts.fields import StartHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.worker.claim import Claim

_LONGEST_WAIT_S = 0.1
_WAIT_OF_LEASE = 0.25

_FAST_S = 0.01
"""Jobs that take longer than this gain nothing: a claim takes a tenth of it."""

_SOON_S = 0.01
_BATCH = 64

_token = attrgetter("token")


class Prefetched:
    """The claims of one worker that wait for a free slot."""

    def __init__(self, redis: Redis, queue_key: str, *, lease_s: float) -> None:
        self._script = ScriptConnection(redis, START)
        self._queue_key = queue_key
        self._lease_s = lease_s
        self._waiting: deque[Claim] = deque()
        self._until: deque[float] = deque()
        self._leaving: list[Claim] = []

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def claims(self) -> list[Claim]:
        """Those that are held and not started; may be read from another thread."""
        return [*self._leaving, *self._waiting]

    @property
    def until(self) -> float | None:
        """When the first of them is to be given back, by `time.monotonic`."""
        return self._until[0] if self._until else None

    async def open(self) -> None:
        """Connect, so that a start can be sent without waiting."""
        await self._script.open()

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()

    def put(self, claims: Sequence[Claim], asked_at: float) -> None:
        """Let *claims* wait. asked_at: when they were asked for, by `time.monotonic`."""
        until = min(time.monotonic() + _LONGEST_WAIT_S, asked_at + self._lease_s * _WAIT_OF_LEASE)
        self._waiting.extend(claims)
        self._until.extend([until] * len(claims))

    def take(self, most: int) -> list[Claim]:
        """Return at most *most* to start now, announced to Redis; none if it cannot be reached."""
        count = min(most, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        if not self.send_started(taken):
            self._waiting.extendleft(reversed(taken))
            return []
        for _ in range(count):
            self._until.popleft()
        return taken

    def send_started(self, claims: Sequence[Claim]) -> bool:
        """Take the mark off *claims*; False if there is no connection."""
        return all(
            self._script.send(self._queue_key, [*StartHead(token), *[claim.key for claim in group]])
            for token, group in groupby(claims, _token)
        )

    def drop(self, key: bytes) -> None:
        """Forget a claim in whose place there is another."""
        kept = [(c, u) for c, u in zip(self._waiting, self._until, strict=True) if c.key != key]
        self._waiting = deque(claim for claim, _ in kept)
        self._until = deque(until for _, until in kept)

    def leave(self) -> list[Claim]:
        """Return all that wait: none is to start any more. They are held until they have `left`."""
        self._leaving += self._waiting
        self._waiting.clear()
        self._until.clear()
        return list(self._leaving)

    def left(self) -> None:
        """Redis has taken back those that were to leave."""
        self._leaving.clear()


class Pace:
    """How fast jobs end in a worker whose slots are all taken."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._ended_before = 0
        self._is_fast = False
        self.ending_soon = 0
        """How many jobs end within a hundredth of a second, up to a batch."""

    def is_fast(self, ended: int, slots: int, now: float) -> bool:
        """Whether claiming ahead pays. ended: jobs so far; measured anew after each *slots*."""
        if self._since is None:
            self._since, self._ended_before = now, ended
        elif ended - self._ended_before >= slots:
            each_s = (now - self._since) / (ended - self._ended_before)
            self._since, self._ended_before = now, ended
            self._is_fast = each_s * slots < _FAST_S
            self.ending_soon = min(_BATCH, int(_SOON_S / each_s)) if each_s else _BATCH
        return self._is_fast

    def forget(self) -> None:
        """Start measuring anew: there was a pause, or a slow job."""
        self._since = None
        self._is_fast = False
        self.ending_soon = 0
