"""What stands in Redis at one moment, read once: overview, `top` and findings show parts of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker.redis_clock import redis_now
from runner.broker.servers import awake
from runner.operations.groups import groups
from runner.operations.metrics import Cell, all_jobs, deploys, together
from runner.operations.processes import processes
from runner.operations.queues import depth, queues
from runner.operations.redis_info import store
from runner.operations.schedules import schedules, schedules_in_sight
from runner.operations.usual import Pace, UsualBands
from runner.periodic.poller import poll_age_s
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.groups import Groups
    from runner.operations.metrics import Deploy, JobMetrics
    from runner.operations.processes import Process
    from runner.operations.queues import Depth, Queue
    from runner.operations.redis_info import Store
    from runner.operations.schedules import Schedule
    from runner.periodic.schedule import Periodic

LAST_MINUTES = 5
"""What "now" means for throughput, failures, runs and waits: the full minutes before this one."""


@dataclass(frozen=True, kw_only=True)
class SeenQueues:
    """
    The queues, as of *at*, Redis's time.

    jobs: what ended in the last hour. depths: of each queue, over the last hour.
    """

    at: datetime
    queues: Sequence[Queue]
    jobs: Sequence[JobMetrics]
    depths: Mapping[str, Sequence[Depth]]

    def last_of(self, queue: str) -> Cell:
        """The last full minutes of one queue."""
        return last_minutes(together([one for one in self.jobs if one.queue == queue]))


@dataclass(frozen=True, kw_only=True)
class Snapshot(SeenQueues):
    """
    All of it.

    dead: the dead jobs by error. polled_s_ago: null if the poller never ran. pace: the last full
    minutes, all jobs together, beside what is usual.
    """

    processes: Sequence[Process]
    store: Store
    deploys: Sequence[Deploy]
    dead: Groups
    schedules: Sequence[Schedule]
    polled_s_ago: float | None
    pace: Pace

    @property
    def cells(self) -> list[Cell]:
        """The minutes of the last hour, all jobs together."""
        return together(self.jobs)

    @property
    def last(self) -> Cell:
        """The last full minutes, all jobs together."""
        return last_minutes(self.cells)

    @property
    def slots(self) -> int:
        """Jobs that can run at a time, at most."""
        return sum(process.slots for process in self.processes)

    @property
    def busy(self) -> int:
        """Jobs that run."""
        return sum(process.busy for process in self.processes)

    @property
    def dead_count(self) -> int:
        """Jobs in the dead sets."""
        return sum(queue.dead or 0 for queue in self.queues)


def last_minutes(cells: Sequence[Cell]) -> Cell:
    """Return the sum of the last full minutes: the one that runs is not over."""
    total = Cell()
    for cell in cells[-LAST_MINUTES - 1 : -1]:
        total.join(cell)
    return total


async def look_at_queues(redis: Redis, names: Sequence[str]) -> SeenQueues:
    """Read the queues. The cost does not grow with the number of jobs."""
    at, counted, jobs, series = await asyncio.gather(
        redis_now(redis), queues(redis, names), all_jobs(redis, hours=1), _depths(redis, names)
    )
    return SeenQueues(at=at, queues=counted, jobs=jobs, depths=series)


async def pace(redis: Redis, bands: UsualBands) -> Pace:
    """Return how the last full minutes went, all jobs together, beside what is usual."""
    jobs, usual = await asyncio.gather(all_jobs(redis, hours=1), bands.now())
    return Pace.of(last_minutes(together(jobs)), LAST_MINUTES, usual)


async def look(
    redis: Redis,
    names: Sequence[str],
    catalog: Catalog,
    schedule: Sequence[Periodic] = (),
    *,
    bands: UsualBands | None = None,
) -> Snapshot:
    """
    Read all of it. The cost does not grow with the number of jobs.

    bands: kept by those who look again and again: what is usual is read every five minutes.
    """
    seen, working, server, marks, planned, usual = await asyncio.gather(
        look_at_queues(redis, names),
        processes(redis, names),
        store(awake(redis)),
        deploys(redis),
        schedules(redis, schedules_in_sight(schedule, names), catalog),
        (bands or UsualBands(redis)).now(),
    )
    return Snapshot(
        at=seen.at,
        queues=seen.queues,
        jobs=seen.jobs,
        depths=seen.depths,
        processes=working,
        store=server,
        deploys=marks,
        dead=await groups(redis, names, JobState.DEAD, catalog),
        schedules=planned,
        polled_s_ago=await poll_age_s(redis, names),
        pace=Pace.of(last_minutes(together(seen.jobs)), LAST_MINUTES, usual),
    )


async def _depths(redis: Redis, names: Sequence[str]) -> dict[str, list[Depth]]:
    series = await asyncio.gather(*[depth(redis, name, points=60, hours=1) for name in names])
    return dict(zip(names, series, strict=True))
