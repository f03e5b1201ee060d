"""Who works: processes, their workers and what they run, from the last heartbeats."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import NEVER, Fields, Reader, Unreadable, answers, look, shown_id
from runner.broker.scripts.fields import LookHead
from runner.broker.servers import by_server
from runner.context import Progress
from runner.operations.verbs import ACTIVE, PROCESS_VERBS, QUIET, job_verbs, offered
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis.asyncio import Redis

    from runner.operations.verbs import JobVerb, Verb


@dataclass(frozen=True, slots=True)
class RunningJob:
    """
    A running attempt.

    Attributes:
        job_id: Id of the job.
        name: Name of the job; null if its body cannot be read.
        queue: Queue of the job.
        worker: Id of the worker.
        attempt: Number of the attempt, from 1.
        started_at: When it started.
        progress: How far it has come; null if it reports no progress.
        lines: The last lines that it logged.
    """

    job_id: str
    name: str | None
    queue: str
    worker: str
    attempt: int
    started_at: datetime | None
    progress: Progress | None
    lines: tuple[str, ...]

    @property
    def verbs(self) -> list[JobVerb]:
        """What may be done to it now."""
        return job_verbs(JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class PoolShare:
    """
    A worker's share in the slots that several queues share in one process.

    Attributes:
        number: Which pool of the process it is.
        slots: Jobs that run at a time, of all its queues together.
        busy: Jobs of all its queues that run now.
        strict: Whether a free slot goes to the first queue that has work.
        place: Where the queue stands in the order, from 1.
        weight: Its weight; it does not count in a strict pool.
    """

    number: int
    slots: int
    busy: int
    strict: bool
    place: int
    weight: float


@dataclass(frozen=True, slots=True)
class WorkerView:
    """
    One queue's worker in a process.

    Attributes:
        worker_id: Id of the worker.
        queue: Queue of the worker.
        slots: Jobs that it runs at a time, at most.
        busy: Jobs that it runs now.
        pool: Its share in the slots of several queues; null if it has slots of its own.
        jobs: Names of the jobs that it knows.
        started_at: When it started.
        beat_at: Time of its last heartbeat.
        complete: Attempts that succeeded since it started.
        retried: Attempts that will be tried again, or were given back, since it started.
        failed: Jobs that ended without success, since it started.
        quiet: Whether it was asked to claim no more jobs.
        stopping: Whether it is about to exit.
        lag_ms: Milliseconds by which its event loop was late at the last heartbeat.
        answer_ms: Milliseconds that Redis took to answer the last heartbeat.
        dead_max_age_s: Seconds for which it keeps dead jobs; null if for ever, or it does not say.
        running: The attempts that run.
        unreadable: What of its heartbeat cannot be read, and why; empty if all can.
    """

    worker_id: str
    queue: str
    slots: int
    busy: int
    pool: PoolShare | None
    jobs: tuple[str, ...]
    started_at: datetime | None
    beat_at: datetime | None
    complete: int
    retried: int
    failed: int
    quiet: bool
    stopping: bool
    lag_ms: float
    answer_ms: float
    dead_max_age_s: float | None
    running: tuple[RunningJob, ...]
    unreadable: str = ""

    @property
    def free(self) -> int:
        """How many more jobs it might run now."""
        own = self.slots - self.busy
        return max(0, own if self.pool is None else min(own, self.pool.slots - self.pool.busy))

    @property
    def label(self) -> str:
        """Its queue, as it was named to `pipeline worker`."""
        weighs = self.pool is not None and not self.pool.strict
        return f"{self.queue}:{self.pool.weight:g}" if weighs and self.pool else self.queue


@dataclass(frozen=True, slots=True)
class Process:
    """
    A process with its workers.

    Attributes:
        host: Name of the machine.
        pid: Id of the process on its machine.
        release: Release that it runs; empty if it was not given.
        rss: Resident memory in bytes.
        workers: Its workers, one for each queue.
    """

    host: str
    pid: int
    release: str
    rss: int
    workers: tuple[WorkerView, ...]

    @property
    def name(self) -> str:
        """Its name on pages and in commands."""
        return f"{self.host}:{self.pid}"

    @property
    def slots(self) -> int:
        """Jobs that it runs at a time, at most."""
        return slots_of(self.workers)

    @property
    def busy(self) -> int:
        """Jobs that it runs now."""
        return sum(worker.busy for worker in self.workers)

    @property
    def beat_at(self) -> datetime | None:
        """Its last heartbeat."""
        return max((w.beat_at for w in self.workers if w.beat_at), default=None)

    @property
    def started_at(self) -> datetime | None:
        """When its first worker started."""
        return min((w.started_at for w in self.workers if w.started_at), default=None)

    @property
    def lag_ms(self) -> float:
        """The worst lag of its event loop at the last heartbeats."""
        return max((worker.lag_ms for worker in self.workers), default=0.0)

    @property
    def is_blocked(self) -> bool:
        """Whether its event loop was late enough to look at: jobs stood still meanwhile."""
        return self.lag_ms > _BLOCKED_MS

    @property
    def quiet(self) -> bool:
        """Whether all its workers were asked to claim no more jobs."""
        return all(worker.quiet for worker in self.workers)

    @property
    def stopping(self) -> bool:
        """Whether it is about to exit."""
        return any(worker.stopping for worker in self.workers)

    @property
    def unreadable(self) -> str:
        """What of its heartbeats cannot be read, and why; empty if all can."""
        return "; ".join(worker.unreadable for worker in self.workers if worker.unreadable)

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return offered(PROCESS_VERBS, QUIET if self.quiet else ACTIVE)

    @property
    def running(self) -> list[RunningJob]:
        """The attempts that it runs, the longest first."""
        found = [job for worker in self.workers for job in worker.running]
        return sorted(found, key=lambda job: job.started_at or NEVER)


def slots_of(workers: Iterable[WorkerView]) -> int:
    """Return how many jobs they run at a time together: a pool counts once."""
    pools = {}
    own = 0
    for one in workers:
        if one.pool is None:
            own += one.slots
        else:
            pools[one.worker_id.rpartition(":")[0], one.pool.number] = one.pool.slots
    return own + sum(pools.values())


_MOST_WORKERS = 2_000
_BLOCKED_MS = 500.0
"""Of one queue: those with the latest heartbeats."""

_LONGEST_ID = 1_000
_LIMITS = LookHead(each=4 << 20, all=64 << 20, entries=0)


async def workers_of(redis: Redis, queue: str) -> list[WorkerView]:
    """The live workers of one queue."""
    return [worker for _, worker in await _heartbeats(redis, [queue])]


async def processes(redis: Redis, queues: Sequence[str]) -> list[Process]:
    """The processes that work *queues*, by name; where that is unreadable, each worker alone."""
    by_process: dict[tuple[str, int], list[tuple[Fields, WorkerView]]] = {}
    for beat, worker in await _heartbeats(redis, queues):
        host, pid = beat.text("host"), beat.whole("pid") or 0
        place = (host, pid) if host else (worker.worker_id, 0)
        by_process.setdefault(place, []).append((beat, worker))
    return [
        Process(
            host=host,
            pid=pid,
            release=found[0][0].text("release"),
            rss=found[0][0].whole("rss") or 0,
            workers=tuple(worker for _, worker in found),
        )
        for (host, pid), found in sorted(by_process.items())
    ]


async def _heartbeats(redis: Redis, queues: Sequence[str]) -> list[tuple[Fields, WorkerView]]:
    asked = [_heartbeats_in(one, names) for one, names in by_server(redis, queues)]
    return [beat for found in await asyncio.gather(*asked) for beat in found]


async def _heartbeats_in(redis: Redis, queues: Sequence[str]) -> list[tuple[Fields, WorkerView]]:
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            register = keys.of(redis).queue_key(queue) + keys.WORKERS_SUFFIX
            pipe.zrange(register, -_MOST_WORKERS, -1)
        registers = await answers(pipe)
    listed = [
        (queue, worker_id)
        for queue, register in zip(queues, registers, strict=True)
        if not isinstance(register, Unreadable)
        for worker_id in register
    ]
    names = [keys.of(redis).worker_prefix.encode() + worker_id for _, worker_id in listed]
    beats = await look(redis, strings=names, limits=_LIMITS)
    return [
        _heartbeat(queue, worker_id, name, beat)
        for (queue, worker_id), name, beat in zip(listed, names, beats, strict=True)
        if beat is not None
    ]


def _heartbeat(
    queue: str, worker_id: bytes, name: bytes, beat: object
) -> tuple[Fields, WorkerView]:
    reader = Reader()
    fields, shown = reader.fields(name, beat), shown_id(worker_id)
    worker = WorkerView(
        worker_id=shown,
        queue=queue,
        slots=fields.whole("slots") or 0,
        busy=fields.whole("busy") or 0,
        pool=_pool(fields.inner("pool")),
        jobs=fields.texts("jobs"),
        started_at=fields.stamp("started_at"),
        beat_at=fields.moment("beat_ms"),
        complete=fields.whole("complete") or 0,
        retried=fields.whole("retried") or 0,
        failed=fields.whole("failed") or 0,
        quiet=fields.flag("quiet"),
        stopping=fields.flag("stopping"),
        lag_ms=fields.number("lag_ms") or 0.0,
        answer_ms=fields.number("answer_ms") or 0.0,
        dead_max_age_s=fields.number("dead_max_age_s"),
        running=tuple(_running(job, queue, shown) for job in fields.objects("running")),
        unreadable=reader.unreadable,
    )
    return fields, worker


def _running(job: Fields, queue: str, worker_id: str) -> RunningJob:
    return RunningJob(
        job_id=job.text("id", most=_LONGEST_ID),
        name=job.text("name") or None,
        queue=queue,
        worker=worker_id,
        attempt=job.whole("attempt") or 1,
        started_at=job.moment("started_ms"),
        progress=_progress(job.inner("progress")),
        lines=job.texts("log"),
    )


def _pool(share: Fields | None) -> PoolShare | None:
    if share is None:
        return None
    return PoolShare(
        number=share.whole("number") or 0,
        slots=share.whole("slots") or 0,
        busy=share.whole("busy") or 0,
        strict=share.flag("strict"),
        place=share.whole("place") or 0,
        weight=share.number("weight") or 0.0,
    )


def _progress(made: Fields | None) -> Progress | None:
    done = None if made is None else made.number("done")
    if made is None or done is None:
        return None
    return Progress(done, made.number("total"), made.text("note"))
