"""Run one attempt, and return how it ended. Whatever a job raises is caught here."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

from runner.codec import text_of
from runner.redaction import hiding
from runner.telemetry import job_log
from runner.worker.outcome import Done, Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from runner.context import Context
    from runner.worker.policy import Attempt, Policy


async def execute(policy: Policy, ctx: Context, attempt: Attempt | None = None) -> Outcome | None:
    """
    Run one attempt, and return how it ended; None if the claim was lost.

    attempt: None outside a worker, where a cancellation is the caller's and is raised. In a worker
    nothing is raised, whatever the job does, unless it may be a Ctrl-C: see `may_be_ctrl_c`.
    """
    try:
        return Done(await policy.handler(ctx))
    except BaseException as error:
        if may_be_ctrl_c(error):
            raise
        is_cancelled = issubclass(type(error), asyncio.CancelledError)
        if attempt is None and is_cancelled:
            raise
        with hiding(ctx.secrets()):
            if attempt is not None and (is_cancelled or attempt.why_stopped is not None):
                # A job that the worker cancels may raise something else: still nobody's fault.
                return policy.decide_stopped(policy, ctx.attempt, error, attempt.why_stopped)
            return policy.decide(policy, ctx.attempt, error)


def contain_exits(loop: asyncio.AbstractEventLoop) -> None:
    """
    Keep `sys.exit()` in a task that a job starts from ending *loop*, and so the worker.

    asyncio raises SystemExit and KeyboardInterrupt of any task out of the loop, past all that waits
    for the task. In a job's own tasks they become a RuntimeError, which the job gets from the task
    as any other. A loop with a task factory of its own keeps that.
    """
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)


def _make_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    if job_log.running.get() is not None:
        coro = _contained(coro)
    return asyncio.Task(coro, loop=loop, **options)


async def _contained(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except (SystemExit, KeyboardInterrupt) as error:
        if may_be_ctrl_c(error):
            raise
        name = type(error).__name__
        raise RuntimeError(f"a task of the job raised {name}: {text_of(error)}") from error


def may_be_ctrl_c(error: BaseException) -> bool:
    """
    Whether *error* may come from the keyboard instead of the job.

    A worker that handles signals, and `asyncio.Runner`, turn Ctrl-C into a stop: there a
    KeyboardInterrupt is the job's own. Only Python's default handler raises it wherever the main
    thread happens to be.
    """
    return (
        issubclass(type(error), KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and threading.current_thread() is threading.main_thread()
    )
