"""
The job runner: coroutine jobs on arq and Redis. It is fast, and loses no job.

Names that only workers need are imported at first use, so a service that only enqueues stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.batch import Batch, BatchProgress, QueueProgress
from runner.client import QueueClient, connect
from runner.context import Context
from runner.current import configure, disconnect
from runner.decorator import Call, Job, job
from runner.errors import Bury, Retry
from runner.handle import JobHandle, JobState
from runner.retry import exponential, linear, polynomial
from runner.secret import Secret

if TYPE_CHECKING:
    from runner.on_arq.worker import Worker
    from runner.periodic.schedule import CatchUp, Periodic
    from runner.processes.fleet import Fleet
    from runner.worker_settings import WorkerSettings

__all__ = [
    "Batch",
    "BatchProgress",
    "Bury",
    "Call",
    "CatchUp",
    "Context",
    "Fleet",
    "Job",
    "JobHandle",
    "JobState",
    "Periodic",
    "QueueClient",
    "QueueProgress",
    "Retry",
    "Secret",
    "Worker",
    "WorkerSettings",
    "configure",
    "connect",
    "disconnect",
    "exponential",
    "job",
    "linear",
    "polynomial",
]

_OF_THE_WORKER = {
    "CatchUp": "runner.periodic.schedule",
    "Fleet": "runner.processes.fleet",
    "Periodic": "runner.periodic.schedule",
    "Worker": "runner.on_arq.worker",
    "WorkerSettings": "runner.worker_settings",
}


def __getattr__(name: str) -> Any:
    module = _OF_THE_WORKER.get(name)
    if module is None:
        raise AttributeError(f"module 'runner' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
