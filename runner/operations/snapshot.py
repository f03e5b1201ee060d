"""What stands in Redis at one moment, read once: overview, `top` and findings show parts of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.handle import JobState
from runner.operations.groups import groups
from runner.operations.metrics import Cell, all_jobs, deploys, together
from runner.operations.processes import processes
from runner.operations.queues import depth, queues
from runner.operations.redis_info import store
from runner.operations.schedules import schedules
from runner.periodic.poller import poll_age_s, redis_now

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    All of it, as of *at*, Redis's time.

    jobs: what ended in the last hour. depths: of each queue, over the last hours. dead: by error.
    """

    at: datetime
    queues: Sequence[Queue]
    processes: Sequence[Process]
    jobs: Sequence[JobMetrics]
    store: Store
    depths: Mapping[str, Sequence[Depth]]
    deploys: Sequence[Deploy]
    dead: Groups
    schedules: Sequence[Schedule]
    polled_s_ago: float | None

    @property
    def cells(self) -> list[Cell]:
        """The minutes of the last hour, all jobs together."""
        return together(self.jobs)

    @property
    def last(self) -> Cell:
        """The last full minutes, all jobs together."""
        return last_minutes(self.cells)

    def last_of(self, queue: str) -> Cell:
        """Those of one queue."""
        return last_minutes(together([one for one in self.jobs if one.queue == queue]))

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


async def look(
    redis: Redis, names: Sequence[str], catalog: Catalog, schedule: Sequence[Periodic] = ()
) -> Snapshot:
    """Read all of it. The cost does not grow with the number of jobs."""
    at, counted, working, jobs, server = await asyncio.gather(
        redis_now(redis),
        queues(redis, names),
        processes(redis, names),
        all_jobs(redis, hours=1),
        store(redis),
    )
    marks, planned, polled, series = await asyncio.gather(
        deploys(redis),
        schedules(redis, schedule, catalog),
        poll_age_s(redis, names),
        asyncio.gather(*[depth(redis, name, points=60, hours=1) for name in names]),
    )
    dead = await groups(redis, names, JobState.DEAD, catalog)
    return Snapshot(
        at=at,
        queues=counted,
        processes=working,
        jobs=jobs,
        store=server,
        depths=dict(zip(names, series, strict=True)),
        deploys=marks,
        dead=dead,
        schedules=planned,
        polled_s_ago=polled,
    )
