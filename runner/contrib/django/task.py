"""A task of Django as a job of the runner: its name is the path of its function."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.contrib.django.attempt import Attempt
from runner.contrib.django.framework import InvalidTask, Task
from runner.decorator import job
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runner.context import Context
    from runner.decorator import Job
    from runner.retry import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineTask(Task):  # type: ignore[type-arg]  # generic in its stubs alone
    """
    A task, with the options of a job: `@task(queue_name="mail", max_retries=5, timeout_s=30)`.

    max_retries, timeout_s (seconds), backoff: instead of the queue's. keep_result_s: how long its
    result is kept, in seconds. redact: names of arguments that no log, report or page shows.
    """

    max_retries: int | None = None
    timeout_s: float | None = None
    keep_result_s: float | None = None
    backoff: Backoff | None = None
    redact: tuple[str, ...] = ()

    @property
    def job(self) -> Job[..., Any]:
        """
        The job, for what Django's tasks have no words: many at once, batches, schedules.

        Raises:
            InvalidTask: A type in the signature cannot come back from JSON, or an option is wrong.
        """
        made = _jobs.get(self.func)
        if made is None:
            try:
                made = _jobs[self.func] = _job(self)
            except ConfigurationError as error:
                raise InvalidTask(str(error)) from None
        return made


_jobs: dict[Callable[..., Any], Job[..., Any]] = {}
"""By function: `using` makes another task of the same one."""


def _job(task: PipelineTask) -> Job[..., Any]:
    make = job(
        queue=task.queue_name,
        name=task.module_path,
        max_retries=task.max_retries,
        timeout_s=task.timeout_s,
        keep_result_s=task.keep_result_s,
        backoff=task.backoff,
        redact=task.redact,
    )
    is_async = inspect.iscoroutinefunction(task.func)
    made: Job[..., Any] = make(_coroutine(task) if is_async else _function(task))
    return made


def _function(task: PipelineTask) -> Callable[..., Any]:
    def run(ctx: Context, /, *args: Any, **kwargs: Any) -> Any:
        attempt = Attempt(task, ctx)
        attempt.started()
        try:
            value = task.func(*_given(task, attempt, args), **kwargs)
        except BaseException as error:
            attempt.raised(error)
            raise
        attempt.returned(value)
        return value

    return _signed(run, task)


def _coroutine(task: PipelineTask) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def run(ctx: Context, /, *args: Any, **kwargs: Any) -> Any:
        attempt = Attempt(task, ctx)
        await attempt.astarted()
        try:
            value = await task.func(*_given(task, attempt, args), **kwargs)
        except BaseException as error:
            await attempt.araised(error)
            raise
        await attempt.areturned(value)
        return value

    return _signed(run, task)


def _given(task: PipelineTask, attempt: Attempt, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (attempt.context, *args) if task.takes_context else args


def _signed(run: Callable[..., Any], task: PipelineTask) -> Callable[..., Any]:
    """Give *run* a job's signature: the runner's context, then what the task is called with."""
    functools.update_wrapper(run, task.func)
    own = inspect.signature(task.func)
    parameters = list(own.parameters.values())[1 if task.takes_context else 0 :]
    ctx = inspect.Parameter("_ctx", inspect.Parameter.POSITIONAL_ONLY)
    run.__signature__ = own.replace(parameters=[ctx, *parameters])  # type: ignore[attr-defined]  # a function takes it
    return run
