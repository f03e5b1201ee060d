"""Run one attempt, and return how it ended. Whatever a job raises is caught here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.worker.outcome import Done, Outcome

if TYPE_CHECKING:
    from runner.context import Context
    from runner.worker.policy import Attempt, Policy


async def execute(policy: Policy, ctx: Context, attempt: Attempt | None = None) -> Outcome | None:
    """
    Run one attempt, and return how it ended; None if another worker holds the job now.

    attempt: None outside a worker, where a cancellation is the caller's and is raised. In a worker
    nothing is raised, whatever the job does, unless the process itself is to end.
    """
    try:
        return Done(await policy.handler(ctx))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        if attempt is None:
            if is_cancelled:
                raise
            return policy.decide(policy, ctx.attempt, error)
        if is_cancelled or attempt.why_stopped is not None:
            # A job that the worker cancels may raise something else: still nobody's fault.
            return policy.decide_stopped(policy, ctx.attempt, error, attempt.why_stopped)
        return policy.decide(policy, ctx.attempt, error)
