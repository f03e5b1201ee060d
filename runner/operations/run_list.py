"""
The latest runs, put together from the jobs that carry their traces or batches.

No list of runs is kept: the newest jobs of each queue are read, and those of one run are one row.
The cost does not grow with the number of jobs, and hardly with that of queues. A run that reaches
further back has more jobs than its row says; its page finds them all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from runner import lineage
from runner.broker import keys
from runner.broker.reading import Reader, answers, moment
from runner.broker.redis_clock import redis_now
from runner.broker.servers import at
from runner.operations.batches import batches
from runner.operations.paging import Sort, Window
from runner.operations.run_jobs import read_members
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.run_jobs import Member, ReadJob

_MOST: Final = 200
"""So many jobs of each state are read, all queues together."""

_FEWEST: Final = 20
"""So many of each queue are read however many queues there are."""

_READ: Final = (
    JobState.DONE,
    JobState.DEAD,
    JobState.RETRYING,
    JobState.PARKED,
    JobState.WAITING,
    JobState.READY,
    JobState.SCHEDULED,
)
_OVER: Final = frozenset({JobState.DONE, JobState.DEAD})
_LONGEST: Final = timedelta(days=366)
_SINCE_EVER: Final = 0.0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """
    A run, as far as its newest jobs tell.

    Attributes:
        name: Name of the job that it began with, or of the batch; empty if that is not known.
        job_id: Id of the first of its jobs that was read.
        trace: Id of its trace; empty if it is a batch.
        batch_id: Id of its batch or flow; empty if it is a trace.
        began_at: When its first job was due.
        ended_at: When its last job ended; null while some wait or run.
        took_s: Seconds from its begin to its end, or until now.
        jobs: How many of its jobs were read.
        counts: How many of those are in which state.
        workers: The workers that ran those.
        first_dead: Name of one that is dead; empty if none is.
        is_whole: Whether the job that it began with is among them; if not, there may be more.
    """

    name: str
    job_id: str
    trace: str
    batch_id: str
    began_at: datetime | None
    ended_at: datetime | None
    took_s: float | None
    jobs: int
    counts: dict[JobState, int]
    workers: list[str]
    first_dead: str
    is_whole: bool

    @property
    def state(self) -> JobState:
        """How it stands: dead jobs first, then what is not over."""
        if JobState.DEAD in self.counts:
            return JobState.DEAD
        left = [one for one in self.counts if one not in _OVER]
        going = JobState.RUNNING if JobState.RUNNING in left else None
        return going or (left[0] if left else JobState.DONE)


@dataclass(frozen=True, slots=True)
class RunPage:
    """
    The latest runs.

    Attributes:
        at: When they were read, Redis's time.
        rows: The runs, the latest first.
        read: Jobs that were read.
        single: Those of them that neither led to another nor are of a batch: no runs.
    """

    at: datetime
    rows: list[RunSummary]
    read: int
    single: int


async def latest(
    redis: Redis, queues: Sequence[str], catalog: Catalog, *, limit: int = 50
) -> RunPage:
    """Return the latest *limit* runs of more than one job."""
    most = max(_FEWEST, _MOST // max(1, len(queues)))
    now, found, page = await asyncio.gather(
        redis_now(redis),
        asyncio.gather(*[_newest(at(redis, queue), queue, most) for queue in queues]),
        batches(redis),
    )
    read = [*(await read_members(redis, [*chain(*found)], catalog, with_gave=False)).values()]
    together: dict[tuple[str, str], list[ReadJob]] = {}
    led_on = {one.trace for one in read}
    for one in read:
        trace, batch_id = one.trace or one.begins or "", one.job.batch_id or ""
        # One of a batch that led to others begins a run of its own.
        is_of_batch = batch_id and not one.trace and trace not in led_on
        together.setdefault(("", batch_id) if is_of_batch else (trace, ""), []).append(one)
    names = {one.batch_id: one.name for one in page.rows}
    rows = [
        _summary(place, some, now, names.get(place[1]) or "")
        for place, some in together.items()
        if any(place) and (len(some) > 1 or place[1])
    ]
    rows.sort(key=lambda one: one.began_at.timestamp() if one.began_at else _SINCE_EVER)
    many = sum(one.jobs for one in rows)
    return RunPage(now, rows[: -limit - 1 : -1], len(read), len(read) - many)


async def _newest(redis: Redis, queue: str, most: int) -> list[Member]:
    """Return the newest jobs of a queue, *most* of each state."""
    own = keys.of(redis)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hkeys(own.queue_key(queue) + keys.RUNNING_SUFFIX)
        [running] = await answers(pipe)
    ids = dict.fromkeys(Reader().known(running, [])[:most])
    for state in _READ:
        window = await Window.of(
            redis, queue, state, until_now=state is not JobState.DONE, sort=Sort.NEWEST
        )
        ids |= dict.fromkeys(one.member for one in await window.read(None, most))
    return [(queue, one) for one in ids]


def _summary(
    place: tuple[str, str], some: Sequence[ReadJob], now: datetime, name: str
) -> RunSummary:
    trace, batch_id = place
    jobs = sorted(
        (one.job for one in some), key=lambda one: (one.enqueued_at is None, one.enqueued_at)
    )
    root = next((one.job for one in some if trace and one.begins == trace), None)
    first = root or jobs[0]
    begins = [one.due_at for one in jobs if one.due_at]
    began = min(begins, default=None)
    if trace and root is None:
        said = moment(lineage.began_ms(trace))
        is_ours = said is not None and now - _LONGEST < said <= now
        began = said if is_ours else began
    counts: dict[JobState, int] = {}
    for one in jobs:
        counts[one.state] = counts.get(one.state, 0) + 1
    ends = [one.ended_at for one in jobs if one.ended_at]
    ended = max(ends, default=None) if _OVER.issuperset(counts) else None
    return RunSummary(
        name=name or (first.name or "" if root or batch_id else ""),
        job_id=first.job_id,
        trace=trace,
        batch_id=batch_id,
        began_at=began,
        ended_at=ended,
        took_s=None if began is None else max(0.0, ((ended or now) - began).total_seconds()),
        jobs=len(jobs),
        counts=counts,
        workers=sorted({one.worker for one in jobs if one.worker}),
        first_dead=next((one.name or "" for one in jobs if one.state is JobState.DEAD), ""),
        is_whole=root is not None or bool(batch_id),
    )
