"""Pass failures to the reporters; a failing reporter never changes the job's outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from runner.codec import text_of
from runner.ending import Kind
from runner.redaction import redacted
from runner.reporters import Failure
from runner.telemetry.logs import LogThrottle

if TYPE_CHECKING:
    from runner.context import Context
    from runner.ending import Ending
    from runner.middleware import Handler
    from runner.reporters import Reporter

_log = structlog.stdlib.get_logger("runner.reporters")


class Reporting:
    """
    Passes a job's exception to *reporter*, then raises it again.

    A cancellation by the worker is not reported, nor is `Retry`, unless no attempts are left.

    limit_s: seconds that the reporter may take; `FanOut` returns at once.
    """

    def __init__(self, reporter: Reporter, *, limit_s: float = 5.0) -> None:
        self._reporter = reporter
        self._limit_s = limit_s
        self._throttle = LogThrottle()

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """Run the attempt and report its failure."""
        try:
            return await call_next(ctx)
        except BaseException as error:
            ending = ctx.ended_by(error)
            if ending.counts_as_failure:
                final = _is_final(ctx, ending)
                if final or ending.kind is not Kind.RETRY:
                    await self._report(ctx, ending.error, final=final)
            raise

    async def _report(self, ctx: Context, error: BaseException, *, final: bool) -> None:
        try:
            async with asyncio.timeout(self._limit_s):
                await self._reporter.report(failure_of(ctx, error, final=final))
        except Exception as broken:  # noqa: BLE001 -- a reporter may fail in any way
            if (held_back := self._throttle.admit()) is not None:
                _log.warning(
                    "reporter failed",
                    reporter=type(self._reporter).__name__,
                    error=type(broken).__name__,
                    reason=text_of(broken),
                    held_back=held_back,
                )


def failure_of(ctx: Context, error: BaseException, *, final: bool) -> Failure:
    """Return the failed attempt for reporters: arguments by name, secrets redacted."""
    arguments = ctx.job.by_name(ctx.args, ctx.kwargs)
    return Failure(
        exception=error,
        job_name=ctx.job_name,
        job_id=ctx.job_id,
        queue=ctx.queue,
        attempt=ctx.attempt,
        final=final,
        arguments=redacted(arguments, ctx.job.options_of_worker.redact),
        hidden=ctx.secrets(),
    )


def _is_final(ctx: Context, ending: Ending) -> bool:
    if ctx.job.fails_at_once and ending.kind is not Kind.RETRY:
        return True
    return ending.is_final(attempt=ctx.attempt, max_retries=ctx.max_retries)
