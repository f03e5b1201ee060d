"""The processes that run workers, and the jobs that they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from runner.operations.processes import processes
from runner.operations.words import progress, standing, vitals
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading, short
from runner.wording import elapsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.operations.processes import Process, RunningJob
    from runner.operations.session import OperatorSession


class Running(Pane):
    """Who works, on what and since when."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "processes": {
            "process": "left",
            "busy": "right",
            "memory": "right",
            "loop lag": "right",
            "up": "right",
            "last beat": "right",
            "": "left",
            "queues": "left",
        },
        "jobs": {
            "running": "left",
            "id": "left",
            "queue": "left",
            "elapsed": "right",
            "attempt": "right",
            "progress": "left",
            "in": "left",
        },
    }

    async def look(self, session: OperatorSession) -> Reading:
        """Read the last heartbeats."""
        found = await processes(session.redis, session.queues)
        jobs = [_job(job, one) for one in found for job in one.running]
        summary = (
            f"Processes: {len(found):,}. Running jobs: {len(jobs):,}, as the last heartbeats say."
        )
        if not found:
            summary = "No worker lives. Start one: pipeline worker"
        return Reading(summary, [[_process(one) for one in found], jobs])


def _process(one: Process) -> Line:
    cells = (
        one.name,
        *vitals(one),
        ", ".join(worker.queue for worker in one.workers),
    )
    return Line(one.name, cells, one, "magenta" if standing(one) else "")


def _job(job: RunningJob, process: Process) -> Line:
    cells = (
        job.name or "(unreadable)",
        short(job.job_id),
        job.queue,
        elapsed(job.started_at),
        job.attempt,
        progress(job.progress),
        process.name,
    )
    return Line(f"{job.queue}/{job.job_id}", cells, job)
