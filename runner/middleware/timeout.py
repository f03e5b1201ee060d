"""No attempt takes longer than its job, or else its worker, allows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler


class Timeout:
    """
    Cancels an attempt after the job's `timeout_s`, or *default_s* if the job names none.

    default_s: seconds; None means no limit.
    """

    def __init__(self, default_s: float | None = None) -> None:
        self._default_s = default_s

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """
        Run the attempt.

        A coroutine that swallows its cancellation is waited for all the same: its result counts.

        Raises:
            TimeoutError: The limit passed. A TimeoutError of the job's own is left as it is.
        """
        own_s = ctx.job.options_of_worker.timeout_s
        limit_s = self._default_s if own_s is None else own_s
        if limit_s is None:
            return await call_next(ctx)
        try:
            async with asyncio.timeout(limit_s) as limit:
                return await call_next(ctx)
        except TimeoutError as error:
            if not limit.expired():
                raise
            whose = "its worker's" if own_s is None else "its own"
            # The cause is the cancellation: its traceback shows where the job was hanging.
            raise TimeoutError(
                f"{ctx.job_name} did not end within {limit_s:g} s, {whose} timeout"
            ) from error.__cause__
