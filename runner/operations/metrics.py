"""
Throughput, failures and durations of each job, as the workers counted them.

They are kept by minute for 8 hours, and by ten minutes for 3 days. Percentiles are interpolated
within buckets whose bounds are √2 apart: they are right to about a fifth.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from itertools import chain
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Reader, Unreadable, answers, count_of, hashes, moment, shown_id
from runner.broker.servers import answering, at, awake
from runner.worker.counts import (
    BOUNDS_MS,
    BY_MINUTE,
    BY_TEN_MINUTES,
    HOUR_MS,
    WAIT_BOUNDS_MS,
    Resolution,
    page_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

MINUTES_HOURS = 8
"""The longest time that is shown by minute; longer ones are shown by ten minutes."""

LONGEST_HOURS = 72

_MOST_JOBS = 500
"""How many jobs are shown at once: those that ended last."""

_MOST_FIELDS = 20_000
"""Of one key: three times what a day holds of a job that lasts any time."""

_MOST_RELEASES = 1_000


@dataclass(slots=True)
class Cell:
    """
    The attempts that ended in one step of time.

    Attributes:
        at: Start of the step; null in a sum.
        done: Attempts that succeeded.
        failed: Attempts that failed.
        ran_ms: Sum of their durations, in milliseconds.
        wait_ms: Sum of the milliseconds from due to started.
        buckets: Attempts by duration, in steps of √2 from 1 ms to 50 minutes; the last one has no
            end.
        waits: Attempts by how long they waited, in steps of 2 from 1 ms to 70 minutes, likewise.
    """

    at: datetime | None = None
    done: int = 0
    failed: int = 0
    ran_ms: int = 0
    wait_ms: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BOUNDS_MS) + 1))

    @property
    def attempts(self) -> int:
        """Attempts that ended."""
        return self.done + self.failed

    @property
    def mean_ms(self) -> float | None:
        """Mean duration of an attempt."""
        return self.ran_ms / self.attempts if self.attempts else None

    @property
    def mean_wait_ms(self) -> float | None:
        """Mean time from due to started."""
        return self.wait_ms / self.attempts if self.attempts else None

    def percentile_ms(self, share: float) -> float | None:
        """The duration that *share* (0 to 1) of the attempts stayed below, estimated."""
        return _percentile(self.buckets, BOUNDS_MS, share)

    def wait_percentile_ms(self, share: float) -> float | None:
        """The wait from due to started that *share* of the attempts stayed below, estimated."""
        return _percentile(self.waits, WAIT_BOUNDS_MS, share)

    def add(self, name: str, value: int) -> None:
        """Add one field of a cell, by its name in Redis."""
        match name:
            case "n":
                self.done += value
            case "f":
                self.failed += value
            case "ms":
                self.ran_ms += value
            case "w":
                self.wait_ms += value
            case _ if name.isdecimal() and int(name) < len(self.buckets):
                self.buckets[int(name)] += value
            case _ if name[:1] == "w" and name[1:].isdecimal() and int(name[1:]) < len(self.waits):
                self.waits[int(name[1:])] += value

    def join(self, other: Cell) -> None:
        """Add all of *other*."""
        self.done += other.done
        self.failed += other.failed
        self.ran_ms += other.ran_ms
        self.wait_ms += other.wait_ms
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        self.waits = [a + b for a, b in zip(self.waits, other.waits, strict=True)]


def _percentile(buckets: Sequence[int], bounds: Sequence[int], share: float) -> float | None:
    """Interpolate within the bucket in which *share* of all is reached."""
    total = sum(buckets)
    if not total:
        return None
    wanted, below = share * total, 0
    for place, count in enumerate(buckets):
        if count and below + count >= wanted:
            low = bounds[place - 1] if place else 0
            high = bounds[place] if place < len(bounds) else low * 2
            return low + (high - low) * (wanted - below) / count
        below += count
    return float(bounds[-1])


@dataclass(frozen=True, slots=True)
class JobMetrics:
    """
    One job over some hours.

    Attributes:
        queue: Queue of the job.
        name: Name of the job.
        step_s: Seconds in a step.
        total: Sum of all steps.
        cells: The steps, oldest first, empty ones included.
        unreadable: What of the counts cannot be read, and why; empty if all can.
    """

    queue: str
    name: str
    step_s: int
    total: Cell
    cells: list[Cell]
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A release, and when a worker of it was first seen."""

    release: str
    at: datetime | None


async def all_jobs(redis: Redis, *, hours: int = 1) -> list[JobMetrics]:
    """Every job that ran in the last *hours*, the one that took the most time first."""
    servers = answering(redis) or [redis]
    now_ms = await _now_ms(awake(redis))
    found = await asyncio.gather(*[_all_jobs(one, hours, now_ms) for one in servers])
    return sorted(chain.from_iterable(found), key=lambda one: -one.total.ran_ms)


async def _all_jobs(redis: Redis, hours: int, now_ms: int) -> list[JobMetrics]:
    since_ms = now_ms - hours * HOUR_MS
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrevrangebyscore(
            keys.of(redis).metrics, now_ms + HOUR_MS, since_ms, start=0, num=_MOST_JOBS
        )
        [register] = await answers(pipe)
    if isinstance(register, Unreadable):
        return [JobMetrics("", "", 60, Cell(), [], str(register))]
    names = [shown_id(member).partition("|") for member in register]
    found = await _read(redis, [(queue, name) for queue, _, name in names], hours, now_ms)
    return [one for one in found if one.total.attempts or one.unreadable]


async def one_job(redis: Redis, queue: str, name: str, *, hours: int = MINUTES_HOURS) -> JobMetrics:
    """One job over the last *hours*, at most 72."""
    redis = at(redis, queue)
    now_ms = await _now_ms(redis)
    (found,) = await _read(redis, [(queue, name)], hours, now_ms)
    return found


async def _now_ms(redis: Redis) -> int:
    """Return the time by which workers count, Redis's."""
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


def together(metrics: Sequence[JobMetrics]) -> list[Cell]:
    """The cells of several jobs as one series."""
    read = [one for one in metrics if one.cells]
    if not read:
        return []
    joined = [Cell(at=cell.at) for cell in read[0].cells]
    for one in read:
        for into, cell in zip(joined, one.cells, strict=True):
            into.join(cell)
    return joined


async def deploys(redis: Redis) -> list[Deploy]:
    """Releases, in the order in which they were first seen."""
    first: dict[bytes, int | None] = {}
    for one in answering(redis):
        [found] = await hashes(one, [keys.of(one).releases], most=_MOST_RELEASES)
        if not isinstance(found, Unreadable):
            for name, ms in found.items():
                seen = [at_ms for at_ms in (first.get(name), count_of(ms)) if at_ms is not None]
                first[name] = min(seen, default=None)
    marks = [Deploy(shown_id(name), moment(ms)) for name, ms in first.items()]
    return sorted(marks, key=lambda mark: str(mark.at))


async def _read(
    redis: Redis, jobs: Sequence[tuple[str, str]], hours: int, now_ms: int
) -> list[JobMetrics]:
    hours = max(1, min(hours, LONGEST_HOURS))
    resolution = BY_MINUTE if hours <= MINUTES_HOURS else BY_TEN_MINUTES
    step = resolution.step_ms
    first_ms = (now_ms - hours * HOUR_MS) // step * step + step
    starts = range(first_ms - first_ms % resolution.page_ms, now_ms + 1, resolution.page_ms)
    own = keys.of(redis)
    names = [page_key(own, *job, resolution, start_ms) for job in jobs for start_ms in starts]
    pages = await hashes(redis, names, most=_MOST_FIELDS)
    steps = range(first_ms, now_ms + 1, step)
    return [
        _metrics(queue, name, resolution, steps, pages[i * len(starts) : (i + 1) * len(starts)])
        for i, (queue, name) in enumerate(jobs)
    ]


def _metrics(
    queue: str,
    name: str,
    resolution: Resolution,
    steps: range,
    pages: Sequence[dict[bytes, bytes] | Unreadable],
) -> JobMetrics:
    cells = {at_ms: Cell(at=moment(at_ms)) for at_ms in steps}
    reader = Reader()
    for page in pages:
        for name_of_cell, value in reader.known(page, {}).items():
            at, _, what = name_of_cell.partition(b"|")
            cell = cells.get(count_of(at) or 0)
            if cell is not None:
                cell.add(shown_id(what), reader.count(f"a count of {name}", value))
    total = Cell()
    for cell in cells.values():
        total.join(cell)
    step_s = resolution.step_ms // 1000
    return JobMetrics(queue, name, step_s, total, list(cells.values()), reader.unreadable)
