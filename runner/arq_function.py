"""
Plain arq functions on our worker: arq's semantics, kept.

A function that raises is over: no retry, no dead set, its result says what happened. Only
`arq.Retry` runs it again, up to `max_tries`. It gets arq's dictionary as its context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arq.worker import Function, Retry, RetryJob

from runner.codec import ErrorRecord
from runner.job import Job, JobOptions
from runner.outcome import Failed, Outcome, Released, Retrying

if TYPE_CHECKING:
    from arq.cron import CronJob

    from runner.context import Context
    from runner.execute import Policy


def as_job(function: Function | CronJob, queue: str, worker_ctx: dict[Any, Any]) -> Job[Any, Any]:
    """A job that calls *function* as arq would."""

    async def call(ctx: Context, *args: Any, **kwargs: Any) -> Any:
        arq_ctx = {
            **worker_ctx,
            "job_id": ctx.job_id,
            "job_try": ctx.attempt,
            "enqueue_time": ctx.enqueued_at,
            "score": int(ctx.due_ms),
        }
        return await function.coroutine(arq_ctx, *args, **kwargs)

    options = JobOptions(timeout_s=function.timeout_s)
    return Job(call, queue=queue, name=function.name, options=options)


def decide_as_arq(policy: Policy, attempt: int, error: BaseException) -> Outcome:
    """What follows in arq when *attempt* (from 1) ended with *error*. Pure."""
    if isinstance(error, Retry | RetryJob):
        if attempt > policy.max_retries:
            return Failed(
                ErrorRecord(
                    "arq.worker.JobExecutionFailed",
                    f"max {policy.max_retries + 1} retries exceeded",
                    "",
                )
            )
        defer_ms = getattr(error, "defer_score", None) or 0
        if isinstance(error, RetryJob):
            return Released()
        return Retrying(defer_ms / 1000, ErrorRecord.of(error))
    return Failed(ErrorRecord.of(error))
