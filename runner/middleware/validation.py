"""Convert a job's JSON arguments to the types of its signature, and its result to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.redaction import hiding

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler


class Validation:
    """
    Checks and converts arguments before an attempt, and writes its result as JSON after it.

    keep_result_s: for jobs that set no time. A result that is not kept is not written.
    """

    def __init__(self, keep_result_s: float | None) -> None:
        self._keep_result_s = keep_result_s

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """
        Run the attempt.

        Raises:
            ArgumentsError: The arguments do not fit. A retry would not change that, so the job is
                buried.
            SecretError: A sealed argument does not open.
            ResultError: The result does not fit, or has no JSON form. Likewise.
        """
        job = ctx.job
        ctx.args, ctx.kwargs = job.parse(ctx.args, ctx.kwargs, ctx.job_id)
        if job.names_secrets:
            # What the job logs meanwhile may quote them.
            with hiding(ctx.secrets()):
                result = await call_next(ctx)
        else:
            result = await call_next(ctx)
        if ctx.is_passed_on:
            return job.passing_schema.write_result(result)
        own_s = job.options_of_worker.keep_result_s
        if (self._keep_result_s if own_s is None else own_s) == 0:
            return result
        return job.write_result(result)
