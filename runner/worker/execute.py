"""Run one attempt, and return how it ended. Whatever a job raises is caught here."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING

from runner.worker.outcome import Done, Outcome

if TYPE_CHECKING:
    from runner.context import Context
    from runner.worker.policy import Attempt, Policy


async def execute(policy: Policy, ctx: Context, attempt: Attempt | None = None) -> Outcome | None:
    """
    Run one attempt, and return how it ended; None if another worker holds the job now.

    attempt: None outside a worker, where a cancellation is the caller's and is raised. In a worker
    nothing is raised, whatever the job does, unless it may be a Ctrl-C: see `may_be_ctrl_c`.
    """
    try:
        return Done(await policy.handler(ctx))
    except BaseException as error:
        if may_be_ctrl_c(error):
            raise
        is_cancelled = issubclass(type(error), asyncio.CancelledError)
        if attempt is None:
            if is_cancelled:
                raise
            return policy.decide(policy, ctx.attempt, error)
        if is_cancelled or attempt.why_stopped is not None:
            # A job that the worker cancels may raise something else: still nobody's fault.
            return policy.decide_stopped(policy, ctx.attempt, error, attempt.why_stopped)
        return policy.decide(policy, ctx.attempt, error)


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
