"""One attempt at a task in a worker: what it is given, and Django's signals around it."""

from __future__ import annotations

import asyncio
import builtins
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.utils import timezone

from runner import machine
from runner.codec import ErrorRecord, decode, encode_shown
from runner.contrib.django.framework import (
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    task_finished,
    task_started,
)

if TYPE_CHECKING:
    from runner.context import Context
    from runner.contrib.django.framework import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineTaskContext(TaskContext):  # type: ignore[type-arg,misc]  # generic and not frozen in its stubs alone
    """
    What a task with `takes_context=True` gets.

    job: the runner's context, for `progress`, `is_stopping`, `fence` and `offload`.
    """

    job: Context

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.job.attempt


class Attempt:
    """An attempt as Django's signals tell it: what has listened has no say in how it ends."""

    def __init__(self, task: Task[..., Any], ctx: Context) -> None:
        self._ctx = ctx
        self._sender = type(task.get_backend())
        now = timezone.now()
        args, kwargs = decode(encode_shown([list(ctx.args), dict(ctx.kwargs)]))
        self._result: TaskResult[..., Any] = TaskResult(
            task=task,
            id=ctx.job_id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=moment(ctx.enqueued_ms),
            started_at=now,
            finished_at=None,
            last_attempted_at=now,
            args=args,
            kwargs=kwargs,
            backend=task.backend,
            errors=[],
            worker_ids=["{0.host}:{0.pid}".format(machine.this())],
        )
        self.context = PipelineTaskContext(task_result=self._result, job=ctx)

    def started(self) -> None:
        """Send `task_started`."""
        task_started.send_robust(self._sender, task_result=self._result)

    async def astarted(self) -> None:
        """Send it from an event loop."""
        await task_started.asend_robust(self._sender, task_result=self._result)

    def returned(self, value: object) -> None:
        """Send `task_finished`."""
        self._succeed(value)
        task_finished.send_robust(self._sender, task_result=self._result)

    async def areturned(self, value: object) -> None:
        """Send it from an event loop."""
        self._succeed(value)
        await task_finished.asend_robust(self._sender, task_result=self._result)

    def raised(self, error: BaseException) -> None:
        """Send `task_finished`, if no other attempt will be made."""
        if self._fails_with(error):
            task_finished.send_robust(self._sender, task_result=self._result)

    async def araised(self, error: BaseException) -> None:
        """Send it from an event loop."""
        if self._fails_with(error):
            await task_finished.asend_robust(self._sender, task_result=self._result)

    def _succeed(self, value: object) -> None:
        self._set("_return_value", decode(encode_shown(value)))
        self._end(TaskResultStatus.SUCCESSFUL)

    def _fails_with(self, error: BaseException) -> bool:
        """Whether *error* ends the task for good, which is then written down."""
        if isinstance(error, asyncio.CancelledError):
            return False
        ending = self._ctx.ended_by(error)
        if not ending.is_final(attempt=self._ctx.attempt, max_retries=self._ctx.max_retries):
            return False
        record = ErrorRecord.of(ending.error)
        self._result.errors.append(task_error(record.error, record.traceback))
        self._end(TaskResultStatus.FAILED)
        return True

    def _end(self, status: TaskResultStatus) -> None:
        self._set("status", status)
        self._set("finished_at", timezone.now())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self._result, name, value)  # it is frozen


def task_error(kind: str, traceback: str) -> TaskError:
    """Return an error of a job as Django's, which names a class that can be imported."""
    return TaskError(exception_class_path=_path(kind), traceback=traceback)


def _path(kind: str) -> str:
    """Return the path of an error's class: it is written with its module, unless it is built in."""
    if "." in kind:
        return kind
    if isinstance(getattr(builtins, kind, None), type):
        return f"builtins.{kind}"
    return _OF_RUNNER.get(kind, "runner.errors.RunnerError")


_OF_RUNNER: Final = {"Buried": "runner.errors.Bury", "CancelledError": "asyncio.CancelledError"}
"""What the runner writes of a job that an operator or a worker ended."""


def moment(ms: float | None) -> datetime | None:
    """Return a time as `timezone.now` would: without `USE_TZ`, that of the project's time zone."""
    if ms is None:
        return None
    aware = datetime.fromtimestamp(ms / 1000, UTC)
    return aware if settings.USE_TZ else timezone.make_naive(aware)
