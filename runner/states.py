"""The states of a job, as everybody names them: Redis, handles, commands, pages."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """
    The state of a job.

    `parked`: no worker that met it knows its name or its parameters; one that does takes it.
    `waiting`: the job with its unique key runs, and it comes next; or it waits for a place in its
    lane. `unknown`: no such job, or it is
    done and its result is not kept.
    """

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
    PARKED = "parked"
    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"


LISTED = (
    JobState.READY,
    JobState.SCHEDULED,
    JobState.RETRYING,
    JobState.PARKED,
    JobState.WAITING,
    JobState.RUNNING,
    JobState.DEAD,
    JobState.DONE,
)
"""States whose jobs can be listed; of those that are done, the last ones."""


class Found(StrEnum):
    """
    Where an action found its job. A running job belongs to its worker: only `abort` acts.

    `held`: it is dead, or waits, and stays so, since another job has its unique key, or since it
    waits for a place in its lane.
    """

    WAITING = "waiting"
    DEAD = "dead"
    RUNNING = "running"
    GONE = "gone"
    HELD = "held"
