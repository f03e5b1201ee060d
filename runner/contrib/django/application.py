"""
The application that a Django project is: its queues, with the tasks and jobs that are found.

`manage.py pipeline` serves it, unless the project names its own. That begins with the same workers:

    # shop/background.py
    class Mail(WorkerSettings):
        queue = "mail"
        concurrency = 5

    app = App(lambda: workers(Mail), schedule=[Periodic("digest", send_digest.job, "0 7 * * *")])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps

from runner.app import App
from runner.broker import keys
from runner.contrib.django import discovery
from runner.contrib.django.backend import PipelineBackend
from runner.contrib.django.connections import close_connections
from runner.contrib.django.framework import task_backends
from runner.errors import ConfigurationError
from runner.worker_settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.decorator import BoundJob, Job

    Jobs = Sequence[Job[Any, Any] | BoundJob[Any, Any]]


def workers(*given: type[WorkerSettings]) -> list[type[WorkerSettings]]:
    """
    Return a settings class for each queue of the project's tasks and jobs.

    given: classes of some of these queues, to which the jobs that they do not list are added; the
    others have the default options. Each closes connections to databases after its jobs.

    Raises:
        ConfigurationError: `runner.contrib.django` is not among the installed apps, or two jobs of
            a queue have one name.
    """
    if not apps.is_installed(discovery.APP):
        raise ConfigurationError(f"add {discovery.APP!r} to INSTALLED_APPS")
    jobs = _by_queue()
    classes = {keys.own_name(one.queue): one for one in given}
    return [
        _with_jobs(
            classes.get(queue) or _default(queue),
            jobs.get(queue, ()),
        )
        for queue in dict.fromkeys([*classes, *jobs])
    ]


def _default(queue: str) -> type[WorkerSettings]:
    return type(queue, (WorkerSettings,), {"queue": queue})


def _by_queue() -> dict[str, list[Job[Any, Any] | BoundJob[Any, Any]]]:
    """Return jobs by their queue; a task may be enqueued into any queue of its backend."""
    tasks, plain = discovery.found()
    found: dict[str, list[Job[Any, Any] | BoundJob[Any, Any]]] = {}
    for backend in task_backends.all():
        if isinstance(backend, PipelineBackend):
            of_backend = [one.job for one in tasks.values() if one.backend == backend.alias]
            for queue in sorted(backend.queues):
                found.setdefault(keys.own_name(queue), []).extend(
                    one if one.queue == queue else one.options(queue=queue) for one in of_backend
                )
    for job in plain:
        found.setdefault(keys.own_name(job.queue), []).append(job)
    return found


def _with_jobs(worker: type[WorkerSettings], jobs: Jobs) -> type[WorkerSettings]:
    listed = worker.known_jobs()
    new = [one for one in jobs if getattr(one, "job", one) not in listed]
    return type(
        worker.__name__,
        (worker,),
        {
            "__module__": worker.__module__,
            "jobs": (*worker.jobs, *new),
            "middleware": (close_connections, *worker.middleware),
        },
    )


app = App(workers, summary="Run the background jobs of this Django project.")
"""What `manage.py pipeline` serves, if the project names no other."""
