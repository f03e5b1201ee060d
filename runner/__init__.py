"""
The job runner: coroutine jobs on arq and Redis. It is fast, and loses no job.

Each name is imported at its first use, so that a service that only enqueues stays light, and so
does a command line that only prints its help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.app import App
    from runner.batch import Batch
    from runner.batch_books import BatchProgress, QueueProgress
    from runner.client import QueueClient, connect
    from runner.context import Context
    from runner.current import configure, disconnect
    from runner.decorator import Call, Job, job
    from runner.errors import Bury, DuplicateJobError, JobExpiredError
    from runner.flow import Flow, Node, chain, group, prev
    from runner.flow_run import FlowRun
    from runner.handle import JobHandle
    from runner.lanes import Lane, Rate
    from runner.on_arq.worker import Worker
    from runner.partitions import Queue
    from runner.passing import Failed
    from runner.periodic.schedule import CatchUp, Periodic
    from runner.processes.fleet import Fleet
    from runner.retry import Limited, Retry, exponential, linear, polynomial
    from runner.secret import Secret
    from runner.states import JobState
    from runner.unique import Unique
    from runner.worker.pool import SlotPool
    from runner.worker_settings import WorkerSettings

__all__ = [
    "App",
    "Batch",
    "BatchProgress",
    "Bury",
    "Call",
    "CatchUp",
    "Context",
    "DuplicateJobError",
    "Failed",
    "Fleet",
    "Flow",
    "FlowRun",
    "Job",
    "JobExpiredError",
    "JobHandle",
    "JobState",
    "Lane",
    "Limited",
    "Node",
    "Periodic",
    "Queue",
    "QueueClient",
    "QueueProgress",
    "Rate",
    "Retry",
    "Secret",
    "SlotPool",
    "Unique",
    "Worker",
    "WorkerSettings",
    "chain",
    "configure",
    "connect",
    "disconnect",
    "exponential",
    "group",
    "job",
    "linear",
    "polynomial",
    "prev",
]

_MODULES = {
    "App": "app",
    "Batch": "batch",
    "BatchProgress": "batch_books",
    "Bury": "errors",
    "Call": "decorator",
    "CatchUp": "periodic.schedule",
    "Context": "context",
    "DuplicateJobError": "errors",
    "Failed": "passing",
    "Fleet": "processes.fleet",
    "Flow": "flow",
    "FlowRun": "flow_run",
    "Job": "decorator",
    "JobExpiredError": "errors",
    "JobHandle": "handle",
    "JobState": "states",
    "Lane": "lanes",
    "Node": "flow",
    "Periodic": "periodic.schedule",
    "Queue": "partitions",
    "QueueClient": "client",
    "QueueProgress": "batch_books",
    "Limited": "retry",
    "Rate": "lanes",
    "Retry": "retry",
    "Secret": "secret",
    "SlotPool": "worker.pool",
    "Unique": "unique",
    "Worker": "on_arq.worker",
    "WorkerSettings": "worker_settings",
    "chain": "flow",
    "configure": "current",
    "connect": "client",
    "disconnect": "current",
    "exponential": "retry",
    "group": "flow",
    "job": "decorator",
    "linear": "retry",
    "polynomial": "retry",
    "prev": "flow",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'runner' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"runner.{module}"), name)
    return found
