"""Who works: processes, their workers and what they run, from the last heartbeats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from runner.broker import keys
from runner.context import Progress
from runner.handle import JobState
from runner.operations.stored import NEVER, moment
from runner.operations.verbs import ACTIVE, PROCESS_VERBS, QUIET, job_verbs, offered

if TYPE_CHECKING:
    from collections.abc import Sequence

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
class WorkerView:
    """
    One queue's worker in a process.

    Attributes:
        worker_id: Id of the worker.
        queue: Queue of the worker.
        slots: Jobs that it runs at a time, at most.
        busy: Jobs that it runs now.
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
        running: The attempts that run.
    """

    worker_id: str
    queue: str
    slots: int
    busy: int
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
    running: tuple[RunningJob, ...]


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
        return sum(worker.slots for worker in self.workers)

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
    def quiet(self) -> bool:
        """Whether all its workers were asked to claim no more jobs."""
        return all(worker.quiet for worker in self.workers)

    @property
    def stopping(self) -> bool:
        """Whether it is about to exit."""
        return any(worker.stopping for worker in self.workers)

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return offered(PROCESS_VERBS, QUIET if self.quiet else ACTIVE)

    @property
    def running(self) -> list[RunningJob]:
        """The attempts that it runs, the longest first."""
        found = [job for worker in self.workers for job in worker.running]
        return sorted(found, key=lambda job: job.started_at or NEVER)


async def workers_of(redis: Redis, queue: str) -> list[WorkerView]:
    """The live workers of one queue."""
    return [worker for _, worker in await _entries(redis, [queue])]


async def processes(redis: Redis, queues: Sequence[str]) -> list[Process]:
    """The processes that work *queues*, by name."""
    by_process: dict[tuple[str, int], list[tuple[dict[str, Any], WorkerView]]] = {}
    for entry, worker in await _entries(redis, queues):
        place = (str(entry.get("host", "?")), int(entry.get("pid", 0)))
        by_process.setdefault(place, []).append((entry, worker))
    return [
        Process(
            host=host,
            pid=pid,
            release=str(found[0][0].get("release", "")),
            rss=int(found[0][0].get("rss", 0)),
            workers=tuple(worker for _, worker in found),
        )
        for (host, pid), found in sorted(by_process.items())
    ]


async def _entries(redis: Redis, queues: Sequence[str]) -> list[tuple[dict[str, Any], WorkerView]]:
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.zrange(keys.queue_key(queue) + keys.WORKERS_SUFFIX, 0, -1)
        registers = await pipe.execute()
    ids = [worker_id for register in registers for worker_id in register]
    if not ids:
        return []
    found = await redis.mget([keys.WORKER_PREFIX.encode() + worker_id for worker_id in ids])
    read = [_read(data) for data in found if data is not None]
    return [one for one in read if one is not None]


def _read(data: bytes) -> tuple[dict[str, Any], WorkerView] | None:
    """None if no worker of ours wrote it: there is nothing to show."""
    try:
        entry = from_json(data)
        int(entry.get("pid", 0)), int(entry.get("rss", 0))
        return entry, _worker(entry)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _worker(entry: dict[str, Any]) -> WorkerView:
    worker_id, queue = str(entry["id"]), str(entry["queue"])
    started = entry.get("started_at")
    return WorkerView(
        worker_id=worker_id,
        queue=queue,
        slots=int(entry.get("slots", 0)),
        busy=int(entry.get("busy", 0)),
        jobs=tuple(entry.get("jobs", ())),
        started_at=None if started is None else datetime.fromisoformat(started),
        beat_at=moment(entry.get("beat_ms")),
        complete=int(entry.get("complete", 0)),
        retried=int(entry.get("retried", 0)),
        failed=int(entry.get("failed", 0)),
        quiet=bool(entry.get("quiet")),
        stopping=bool(entry.get("stopping")),
        lag_ms=float(entry.get("lag_ms", 0.0)),
        answer_ms=float(entry.get("answer_ms", 0.0)),
        running=tuple(_running(job, queue, worker_id) for job in entry.get("running", ())),
    )


def _running(job: dict[str, Any], queue: str, worker_id: str) -> RunningJob:
    progress = job.get("progress")
    return RunningJob(
        job_id=str(job["id"]),
        name=job.get("name"),
        queue=queue,
        worker=worker_id,
        attempt=int(job.get("attempt", 1)),
        started_at=moment(job.get("started_ms")),
        progress=None if progress is None else Progress(**progress),
        lines=tuple(job.get("log", ())),
    )
