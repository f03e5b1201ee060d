"""
How many jobs end in which way, and how long they take: counted in the worker, sent with heartbeats.

A job costs one dictionary look-up and a few additions. Counts are kept by the minute until Redis
has answered for them. A batch has a number, by which Redis knows one that is sent again after a
lost answer: none is lost, and none is counted twice.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from runner.broker import keys
from runner.broker.scripts.fields import CountHead, JobCount
from runner.worker.outcome import Aborted, Done, Expired, Parked, Released, Retrying

if TYPE_CHECKING:
    from typing import Any

    from runner.broker.keys import Keys
    from runner.broker.redis_clock import RedisClock
    from runner.worker.held import Ended

BOUNDS_MS: Final = tuple(sorted({round(2 ** (half / 2)) for half in range(44)}))
"""Upper ends of the duration buckets, each about √2 times the last, 1 ms to 50 minutes."""

WAIT_BOUNDS_MS: Final = tuple(2**power for power in range(23))
"""Upper ends of the buckets of waits, each twice the last, 1 ms to 70 minutes."""

DONE, FAILED, RAN_MS, WAITED_MS, EXPIRED = range(5)
_RUNS, _WAITS = range(len(BOUNDS_MS) + 1), range(len(WAIT_BOUNDS_MS) + 1)
FIELDS: Final = ("n", "f", "ms", "w", "x", *map(str, _RUNS), *(f"w{place}" for place in _WAITS))
"""Fields of one cell: done, failed, total run and wait times, expired, the buckets of both."""

_FIRST_RUN: Final = 5
_FIRST_WAIT: Final = _FIRST_RUN + len(_RUNS)
_LONGEST_MS: Final = WAIT_BOUNDS_MS[-1]

MINUTE_MS: Final = 60_000
SLOT_MS: Final = 10 * MINUTE_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
_GUARD_TTL_S = 3600
_NOT_MEASURED = frozenset({Released, Parked, Aborted})


@dataclass(frozen=True, slots=True)
class Resolution:
    """One of the two series: *step_ms* a cell, *page_ms* a key, kept for *kept_ms*."""

    prefix: str
    """What its keys begin with, after the application's base."""
    step_ms: int
    page_ms: int
    kept_ms: int


BY_MINUTE: Final = Resolution(keys.BARE.metrics_minutes_prefix, MINUTE_MS, HOUR_MS, 9 * HOUR_MS)
BY_TEN_MINUTES: Final = Resolution(
    keys.BARE.metrics_ten_minutes_prefix, SLOT_MS, DAY_MS, 4 * DAY_MS
)


def page_key(own: Keys, queue: str, job: str, resolution: Resolution, at_ms: int) -> str:
    """Return the key of the hash with the cells of the hour, or the day, of *at_ms*."""
    start_ms = at_ms - at_ms % resolution.page_ms
    stamp = datetime.fromtimestamp(start_ms / 1000, UTC).strftime("%Y%m%d%H")
    return f"{own.base}{resolution.prefix}{stamp}:{queue}|{job}"


class JobCounts:
    """
    Counts the attempts that one worker has settled.

    complete, retried (released ones included), failed: since the worker was created.
    """

    def __init__(self, redis_clock: RedisClock) -> None:
        self.complete = 0
        self.retried = 0
        self.failed = 0
        self._clock = redis_clock
        self._cells: dict[str, list[int]] = {}
        self._closed: dict[int, dict[str, list[int]]] = {}
        self._sequence = 0
        self._under_way: list[Any] = []

    @property
    def settled(self) -> int:
        """All attempts counted so far."""
        return self.complete + self.retried + self.failed

    def count(self, ended: Ended) -> None:
        """
        Count an attempt that Redis has settled.

        Metrics leave out released, parked and aborted jobs: they neither succeeded nor failed.
        """
        kind = type(ended.outcome)
        if kind is Done:
            self.complete += 1
            slot = DONE
        elif kind is Retrying or kind is Released or kind is Parked:
            self.retried += 1
            slot = FAILED
        else:
            self.failed += 1
            slot = FAILED
        envelope = ended.envelope
        if envelope is None or kind in _NOT_MEASURED:
            return
        cell = self._cells.get(envelope.name)
        if cell is None:
            cell = self._cells[envelope.name] = [0] * len(FIELDS)
        if kind is Expired:
            cell[EXPIRED] += 1
            return
        started_ms = ended.started_ms
        ran_ms = ended.finished_ms - started_ms
        cell[slot] += 1
        cell[RAN_MS] += ran_ms
        waited_ms = max(0, started_ms - int(ended.claim.due_ms))
        cell[WAITED_MS] += waited_ms
        cell[_FIRST_RUN + bisect_right(BOUNDS_MS, ran_ms)] += 1
        cell[_FIRST_WAIT + waited_ms.bit_length() if waited_ms < _LONGEST_MS else -1] += 1

    def batch(self, queue: str, own: Keys) -> list[Any]:
        """
        Return the arguments of `count.lua` for jobs of *queue*, or [] if there is nothing to count.

        own: the keys of the application.

        Returns the same batch until `sent`: a call that is repeated changes nothing.
        """
        self._close_minute()
        if not self._under_way and self._closed:
            self._sequence += 1
            now_ms = self._clock.now_ms()
            self._under_way = [*CountHead(self._sequence, _GUARD_TTL_S, now_ms)]
            for minute_ms, cells in self._closed.items():
                for job, cell in cells.items():
                    self._under_way += _fields(own, queue, minute_ms, job, cell)
            self._closed = {}
        return self._under_way

    def sent(self) -> None:
        """Note that Redis has answered for the last batch."""
        self._under_way = []

    def _close_minute(self) -> None:
        if not self._cells:
            return
        now_ms = self._clock.now_ms()
        cells, self._cells = self._cells, {}
        into = self._closed.setdefault(now_ms - now_ms % MINUTE_MS, {})
        for job, cell in cells.items():
            known = into.get(job)
            into[job] = cell if known is None else [a + b for a, b in zip(known, cell, strict=True)]


def _fields(own: Keys, queue: str, minute_ms: int, job: str, cell: list[int]) -> list[Any]:
    counts = [(name, value) for name, value in zip(FIELDS, cell, strict=True) if value]
    slot_ms = minute_ms - minute_ms % SLOT_MS
    head = JobCount(
        name=f"{queue}|{job}",
        minute_key=page_key(own, queue, job, BY_MINUTE, minute_ms),
        minute_kept_ms=BY_MINUTE.kept_ms,
        minute_ms=minute_ms,
        slot_key=page_key(own, queue, job, BY_TEN_MINUTES, slot_ms),
        slot_kept_ms=BY_TEN_MINUTES.kept_ms,
        slot_ms=slot_ms,
        counts=len(counts),
    )
    return [*head, *chain.from_iterable(counts)]
