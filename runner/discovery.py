"""Jobs that are found by importing the modules of a package."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from runner.broker import keys
from runner.decorator import Job
from runner.loading import load_module
from runner.worker_settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType


def discovered(
    package: str, workers: Iterable[type[WorkerSettings]] = ()
) -> list[type[WorkerSettings]]:
    """
    Return a settings class for each queue of the jobs that *package* and its modules make.

    workers: classes of some of these queues; jobs that they do not list are added.

    Raises:
        AppError: There is no such package, or a module cannot be imported: says which.
        ConfigurationError: Two jobs of a queue have one name.
    """
    by_queue: dict[str, list[Job[Any, Any]]] = {}
    for job in _jobs(package):
        by_queue.setdefault(keys.own_name(job.queue), []).append(job)
    found = []
    for worker in workers:
        listed = worker.known_jobs()
        new = [job for job in by_queue.pop(keys.own_name(worker.queue), ()) if job not in listed]
        extended = {"jobs": (*worker.jobs, *new), "__module__": worker.__module__}
        found.append(type(worker.__name__, (worker,), extended) if new else worker)
    for jobs in by_queue.values():
        queue = jobs[0].queue
        found.append(type(queue, (WorkerSettings,), {"queue": queue, "jobs": tuple(jobs)}))
    return found


def _jobs(package: str) -> Iterator[Job[Any, Any]]:
    """Yield each job once, in the module that makes it: others may import it."""
    seen: set[int] = set()
    for module in _modules(package):
        for job in vars(module).values():
            if isinstance(job, Job) and id(job) not in seen:
                maker = job.coroutine.__module__
                if maker == package or maker.startswith(f"{package}."):
                    seen.add(id(job))
                    yield job


def _modules(package: str) -> Iterator[ModuleType]:
    where = f"App.discover({package!r})"
    module = load_module(package, where)
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{package}."):
        if found.name.rpartition(".")[2] == "__main__":
            continue  # it is a program: importing it would run it
        if found.ispkg:
            yield from _modules(found.name)
        else:
            yield load_module(found.name, where)
