"""Jobs, queues and processes in words, for commands and `pipeline top`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from runner.states import JobState
from runner.visible import visible
from runner.wording import NOTHING, elapsed, local_time, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.context import Progress
    from runner.operations.jobs import Row
    from runner.operations.processes import Process
    from runner.operations.queues import Queue


UNREADABLE = "(unreadable)"
"""Stands for the name of a job whose body cannot be read."""


def shown(value: object) -> str:
    """A value as a table shows it; nothing in it can steer the terminal."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return local_time(value)
    return visible(str(value))


def job_name(row: Row) -> str:
    """A job's name; why nobody knows it, if nobody does."""
    is_forgotten = row.state is JobState.DONE and not row.unreadable
    return row.name or ("(name no longer kept)" if is_forgotten else UNREADABLE)


def arguments(given: Mapping[str, Any]) -> str:
    """Arguments as a call writes them."""
    from pydantic_core import to_json

    return ", ".join(f"{name}={to_json(value).decode()}" for name, value in given.items())


def progress(made: Progress | None) -> str:
    """How far a job has come; empty if it reports no progress."""
    if made is None:
        return ""
    of = "" if made.total is None else f"/{made.total:g}"
    return f"{made.done:g}{of} {made.note}".rstrip()


def failure(row: Row) -> str:
    """A job's last error with its message; empty if it has none."""
    return f"{row.error}: {row.message}" if row.error else ""


def unreadable(problem: str) -> str:
    """What cannot be read; empty if all can."""
    return f"unreadable: {problem}" if problem else ""


def detail(row: Row) -> str:
    """What of a job cannot be read, its last error, or its arguments."""
    return unreadable(row.unreadable) or failure(row) or arguments(row.arguments)


def note(queue: Queue) -> str:
    """What is wrong with a queue, in a few words; empty if nothing is."""
    if queue.unreadable:
        return unreadable(queue.unreadable)
    if queue.paused is not None:
        return f"paused by {queue.paused.by}" if queue.paused.by else "paused"
    if queue.ready and not queue.workers:
        return "no worker: its jobs wait"
    if queue.paused_jobs:
        return f"paused: {', '.join(one.name for one in queue.paused_jobs)}"
    return f"{queue.parked} that no worker knows" if queue.parked else ""


def nothing_here(queue: Queue, state: JobState) -> tuple[str, str]:
    """Why a queue has no jobs in *state*, in a few words and in a sentence."""
    match state:
        case JobState.READY if queue.paused is not None:
            return "Nothing waits", f"{queue.name} is paused: what comes due waits here."
        case JobState.READY | JobState.RUNNING if not queue.workers:
            title = "Nothing waits" if state is JobState.READY else "Nothing runs"
            return title, f"No worker of {queue.name} lives: what comes due would wait."
        case JobState.READY if queue.running:
            return "Nothing waits", "Every job that came due runs, or has ended."
        case JobState.READY:
            return "Nothing waits", "No job of this queue is due, and none runs."
        case JobState.RUNNING:
            return "Nothing runs", "No worker of this queue runs a job right now."
        case _:
            return _NOTHING[state]


def nothing_anywhere(queues: Sequence[Queue], state: JobState | None) -> tuple[str, str]:
    """Why none of *queues* has jobs in *state*, or in any: in a few words, and in a sentence."""
    idle = [one.name for one in queues if not one.workers]
    paused = [one.name for one in queues if one.paused is not None]
    title, text = _NOTHING.get(state, _NOTHING_WAITS) if state else _NO_JOB
    if state in {None, JobState.READY, JobState.RUNNING}:
        if idle:
            text += f" No worker takes jobs of {', '.join(idle)}."
        if paused:
            text += f" Paused: {', '.join(paused)}."
    return (title if state is not JobState.RUNNING else "Nothing runs"), text


_NO_JOB = ("No job is here", "The first one that is enqueued appears here by itself.")
_NOTHING_WAITS = ("Nothing waits", "No job is due that a worker has not taken.")
_NOTHING = {
    JobState.SCHEDULED: (
        "Nothing is scheduled",
        "Jobs with a delay or a time show here until they are due.",
    ),
    JobState.RETRYING: (
        "Nothing is to be retried",
        "Jobs whose last attempt failed wait here for their next.",
    ),
    JobState.PARKED: (
        "Nothing is parked",
        "Jobs that no worker here knows wait for one that does, and those whose name is paused.",
    ),
    JobState.WAITING: (
        "Nothing waits for another job",
        "A job waits here until the one with its unique key has ended, or its lane has a place.",
    ),
    JobState.DEAD: (
        "No dead jobs",
        "Jobs that failed for good are kept here until somebody decides.",
    ),
    JobState.DONE: (
        "Nothing is done",
        "Jobs that have ended are listed here, the last ones first.",
    ),
}


def standing(process: Process) -> str:
    """Why a process claims no jobs, or what of it cannot be read; empty if it does, and all can."""
    if process.unreadable:
        return unreadable(process.unreadable)
    return "stopping" if process.stopping else "quiet" if process.quiet else ""


def vitals(process: Process) -> tuple[str, ...]:
    """Busy slots, memory, loop lag, time since its start and its last heartbeat, standing."""
    return (
        f"{process.busy}/{process.slots}",
        size(process.rss),
        f"{process.lag_ms:.0f} ms",
        elapsed(process.started_at),
        elapsed(process.beat_at),
        standing(process),
    )
