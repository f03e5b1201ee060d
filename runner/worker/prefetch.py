"""
Claims that wait for their start: all do, most of them for no time at all.

While every claim comes back full and jobs end fast, the worker also asks for the next batch before
it has slots for it, and keeps it here: fast jobs never wait for Redis between them. What holds for
each claim:

1. Redis has it as held and not started. If its worker dies, never reads the answer or loses its
   lease, the job runs again elsewhere, and no crash is counted.
2. Redis is told of the start before the job's first step. The worker writes that and does not wait
   for the answer: once the kernel has the bytes, they reach Redis even if the process dies in that
   step. It goes over the connection on which the claim was answered: another one may be dead, and
   nobody has noticed.
3. It waits a tenth of a second at most, and never more than a quarter of its lease, so a slow job
   delays no other. After that, and on a stop or a pause of the queue, the claim is given back as if
   it had never been made: the job is due as before. So it needs no heartbeat.
4. At most as many wait as there are slots or, if that is more, as jobs end within a hundredth of a
   second, up to 200: a call costs as much as ten to twenty of the jobs that it claims.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runner import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.worker.claim import Claim

_LONGEST_WAIT_S = 0.1
_WAIT_OF_LEASE = 0.25

_FAST_S = 0.01
"""Jobs that take longer gain nothing: a claim takes a tenth of this."""

_SOON_S = 0.01
_BATCH = 200


class Prefetched:
    """The claims of one worker that wait for a free slot."""

    def __init__(self, tell_started: Callable[[Sequence[Claim]], bool], *, lease_s: float) -> None:
        """tell_started: tells Redis, without waiting; False if it is away."""
        self.tell_started = tell_started
        self._lease_s = lease_s
        self._waiting: deque[Claim] = deque()
        self._until: deque[float] = deque()
        self._leaving: list[Claim] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def claims(self) -> list[Claim]:
        """The claims that were not started; may be read from another thread."""
        return [*self._leaving, *self._waiting]

    @property
    def until(self) -> float | None:
        """When the oldest claim is to be given back, by `clock.boot`."""
        return self._until[0] if self._until else None

    @property
    def is_overdue(self) -> bool:
        """Whether the oldest claim has waited too long to be started."""
        return bool(self._until) and clock.boot() >= self._until[0]

    def put(self, claims: Sequence[Claim]) -> None:
        """Let *claims*, all of one call, wait."""
        if claims:
            asked_at = claims[0].asked_at
            until = min(clock.boot() + _LONGEST_WAIT_S, asked_at + self._lease_s * _WAIT_OF_LEASE)
            self._waiting.extend(claims)
            self._until.extend([until] * len(claims))

    def take(self, most: int) -> list[Claim]:
        """Return up to *most* claims to start now, reported to Redis; none if it is away."""
        if not (most and self._waiting) or self.is_overdue:
            return []
        count = min(most, len(self._waiting))
        taken = [self._waiting.popleft() for _ in range(count)]
        if not self.tell_started(taken):
            self._waiting.extendleft(reversed(taken))
            return []
        for _ in range(count):
            self._until.popleft()
        return taken

    def drop(self, key: bytes) -> None:
        """Drop the claim of a job that was claimed anew."""
        kept = [(c, u) for c, u in zip(self._waiting, self._until, strict=True) if c.key != key]
        self._waiting = deque(claim for claim, _ in kept)
        self._until = deque(until for _, until in kept)

    def leave(self) -> list[Claim]:
        """Return all that wait, and start none of them; they count as held until `left`."""
        self._leaving += self._waiting
        self._waiting.clear()
        self._until.clear()
        return list(self._leaving)

    def left(self) -> None:
        """Note that Redis has taken back the claims that `leave` returned."""
        self._leaving.clear()


class Pace:
    """How fast jobs end in a worker whose slots are all taken."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._ended_before = 0
        self._is_fast = False
        self.ending_soon = 0
        """How many jobs end within a hundredth of a second; a batch at most."""

    def is_fast(self, ended: int, slots: int, now: float) -> bool:
        """Whether prefetching pays. ended: jobs so far; measured again after each *slots* jobs."""
        if self._since is None:
            self._since, self._ended_before = now, ended
        elif ended - self._ended_before >= slots:
            each_s = (now - self._since) / (ended - self._ended_before)
            self._since, self._ended_before = now, ended
            self._is_fast = each_s * slots < _FAST_S
            self.ending_soon = min(_BATCH, int(_SOON_S / each_s)) if each_s else _BATCH
        return self._is_fast

    def forget(self) -> None:
        """Start measuring again: there was a pause, or a slow job."""
        self._since = None
        self._is_fast = False
        self.ending_soon = 0
