"""Validate a job's JSON arguments and convert them to the types of its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from runner.context import Context
    from runner.middleware import Handler


def validate_arguments(ctx: Context, call_next: Handler) -> Awaitable[Any]:
    """
    Check and convert the arguments, then run the attempt.

    Raises:
        ArgumentsError: They do not fit. A retry would not change that, so the job is buried.
    """
    ctx.args, ctx.kwargs = ctx.job.parse(ctx.args, ctx.kwargs)
    return call_next(ctx)
