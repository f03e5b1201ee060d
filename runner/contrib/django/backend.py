"""The backend for Django's tasks: what they enqueue are jobs of the runner."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.db import connections, transaction
from django.utils import timezone
from django.utils.asyncio import async_unsafe

from runner.broker import keys
from runner.codec import decode_job
from runner.contrib.django import discovery, results
from runner.contrib.django.framework import (
    BaseTaskBackend,
    InvalidTask,
    InvalidTaskBackend,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from runner.contrib.django.task import PipelineTask
from runner.current import put_blocking

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runner.enqueue import Enqueue

_ON_COMMIT = "enqueue_on_commit"


class PipelineBackend(BaseTaskBackend):
    """
    Enqueues tasks into the Redis of `REDIS_URL`, as soon as what they may read is committed.

    `QUEUES` names the queues that the project's workers work. `OPTIONS` may have
    `enqueue_on_commit`: if false, a task is enqueued at once, even inside a transaction.
    """

    task_class = PipelineTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        where = f"TASKS[{alias!r}]"
        if not self.queues:
            raise InvalidTaskBackend(f"{where}: QUEUES is empty: name those that workers work")
        for queue in sorted(self.queues):
            if problem := keys.queue_problem("QUEUES", queue):
                raise InvalidTaskBackend(f"{where}: {problem}")
        if unknown := sorted(self.options.keys() - {_ON_COMMIT}):
            raise InvalidTaskBackend(
                f"{where}: there is no option {unknown[0]!r}: OPTIONS may have {_ON_COMMIT}"
            )
        self._on_commit = self.options.get(_ON_COMMIT, True)
        if not isinstance(self._on_commit, bool):
            raise InvalidTaskBackend(
                f"{where}: {_ON_COMMIT} is {self._on_commit!r}: give True or False"
            )

    def validate_task(self, task: Any) -> None:
        """
        Check what Django checks, and that the arguments and the result can travel.

        Raises:
            InvalidTask: They cannot, or an option is out of its range.
        """
        if task.priority:
            raise InvalidTask(
                f"{task.name}: priority={task.priority} is not supported: queues have none; "
                "give what is urgent a queue with workers of its own, using(queue_name=…)"
            )
        super().validate_task(task)
        _ = task.job

    @async_unsafe("A task is enqueued by a call that waits: in a coroutine, await task.aenqueue().")
    def enqueue(  # type: ignore[override]  # its stubs promise the task's own types
        self, task: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> TaskResult[..., Any]:
        """
        Enqueue *task*: now or, inside transactions, when all of them are committed.

        Arguments are checked and copied now. If a transaction is rolled back, nothing is enqueued.

        Raises:
            ArgumentsError: The arguments do not fit the task's signature.
            EnqueueError: Redis did not take the job. Inside a transaction, the commit raises it.
            InvalidTask: No worker would find the task.
        """
        self.validate_task(task)
        self._refuse_unknown(task)
        job = task.job.options(queue=task.queue_name, at=_aware(task.run_after))
        request = job.request(tuple(args), kwargs)
        body = decode_job(request.body())
        result: TaskResult[..., Any] = TaskResult(
            task=task,
            id=request.job_id,
            status=TaskResultStatus.READY,
            enqueued_at=None,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=body.args,
            kwargs=body.kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        waits_for = _open_transactions() if self._on_commit else set()
        if not waits_for:
            self._send(request, result)
            return result
        # Until the commit, the caller may change them.
        request.args, request.kwargs = task.job.parse(tuple(body.args), body.kwargs, request.job_id)

        def committed(alias: str) -> None:
            waits_for.remove(alias)
            if not waits_for:
                self._send(request, result)

        # With each of them: one that is rolled back leaves the task waiting, for good.
        for alias in sorted(waits_for):
            transaction.on_commit(partial(committed, alias), using=alias)
        return result

    def _send(self, request: Enqueue, result: TaskResult[..., Any]) -> None:
        put_blocking([request])
        object.__setattr__(result, "enqueued_at", timezone.now())  # it is frozen
        task_enqueued.send_robust(type(self), task_result=result)

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """
        Return a task by its id, wherever it stands.

        Raises:
            RedisError: Redis did not answer.
            TaskResultDoesNotExist: There is no such task, or its result is not kept any more.
        """
        found = results.read(result_id, sorted(self.queues), discovery.found().tasks)
        if found is None:
            raise TaskResultDoesNotExist(result_id)
        return found

    def _refuse_unknown(self, task: PipelineTask) -> None:
        if task.job.name in discovery.found().tasks:
            return
        if not apps.is_installed(discovery.APP):
            raise InvalidTaskBackend(f"add {discovery.APP!r} to INSTALLED_APPS")
        raise InvalidTask(
            f"{task.job.name}: no worker finds it: define it in the module `tasks` of an installed "
            "app, or import it there"
        )

    def check(self, **_: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the project, as `manage.py check` shows it."""
        if apps.is_installed(discovery.APP):
            return []
        return [
            checks.Error(
                f"The tasks of TASKS[{self.alias!r}] are not found.",
                hint=f"Add {discovery.APP!r} to INSTALLED_APPS.",
                id="runner_django.E001",
            )
        ]


def _open_transactions() -> set[str]:
    return {one.alias for one in connections.all(initialized_only=True) if one.in_atomic_block}


def _aware(moment: datetime | None) -> datetime | None:
    """Without `USE_TZ`, times are those of the project's time zone."""
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment)
