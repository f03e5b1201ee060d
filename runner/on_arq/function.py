"""
Plain arq functions on our worker, with arq's semantics.

A function that raises has ended: no retry, no dead set, and its result says what happened. Only
`arq.Retry` runs it again, up to `max_tries`. Its context is arq's dictionary, arq's hooks run
around it, and it is logged in arq's lines. arq's faults are not kept: a hook that raises does not
end the worker, and neither a shutdown nor a lost worker costs a try.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from arq.constants import keep_cronjob_progress
from arq.cron import CronJob
from arq.worker import JobExecutionFailed, Retry, RetryJob
from redis.exceptions import RedisError

from runner import retry
from runner.broker import keys
from runner.codec import ErrorRecord
from runner.definition import JobDefinition, JobOptions
from runner.middleware import compose
from runner.middleware.log_context import log_context
from runner.on_arq.log import AttemptLines
from runner.worker.attempt import call
from runner.worker.execute import execute
from runner.worker.outcome import Aborted, Done, Failed, Outcome, Released, Retrying, Stop
from runner.worker.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from arq.worker import Function
    from redis.asyncio import Redis

    from runner.context import Context
    from runner.middleware import Middleware
    from runner.retry import Backoff
    from runner.schema import Arguments
    from runner.worker.attempt import Attempts
    from runner.worker.policy import Attempt

    Hook = Callable[[dict[Any, Any]], Awaitable[Any]]

_arq_ctx: ContextVar[dict[Any, Any]] = ContextVar("arq_ctx")
"""The dictionary that the hooks and the function of an attempt share."""


@dataclass(frozen=True, slots=True)
class ArqRules:
    """
    arq's options for all plain functions of one worker.

    ctx: the dictionary that each function gets, extended for each attempt. retry_jobs: whether
    `arq.Retry` and a stop of the worker run a function again.
    """

    queue: str
    redis: Redis
    ctx: dict[Any, Any]
    max_tries: int
    backoff: Backoff
    keep_result_s: float | None
    retry_jobs: bool
    log_results: bool
    on_job_start: Hook | None
    on_job_end: Hook | None
    after_job_end: Hook | None


def learn_plain(
    attempts: Attempts, function: Function | CronJob, rules: ArqRules, stack: Sequence[Middleware]
) -> None:
    """Register a plain arq function or cron job, with arq's semantics."""
    plain = PlainFunction(function, rules)
    own_s = function.keep_result_s
    policy = Policy(
        handler=compose(plain.stack(stack), call),
        max_retries=max(0, plain.max_tries - 1),
        backoff=rules.backoff,
        keep_result_s=None
        if function.keep_result_forever
        else (rules.keep_result_s if own_s is None else own_s),
        timeout_s=function.timeout_s,
        decide=plain.decide,
        decide_stopped=plain.decide_stopped,
        run=plain.run,
        is_given_back=rules.retry_jobs,
    )
    attempts.register(plain.job, policy)


class PlainJob(JobDefinition):
    """A plain arq function as a job. Its arguments are not checked."""

    fails_at_once = True

    def parse(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        job_id: str = "",  # noqa: ARG002 -- arq seals nothing
    ) -> Arguments:
        """Return the arguments as they are: arq neither checks nor converts them."""
        return args, dict(kwargs)

    def surplus(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Return nothing: arq calls a function with whatever it is sent."""
        return []

    def write_result(self, result: Any) -> Any:
        """Return the result as it is: the worker's serializer writes it."""
        return result


class PlainFunction:
    """One plain arq function or cron job, as one worker runs it."""

    def __init__(self, function: Function | CronJob, rules: ArqRules) -> None:
        self._function = function
        self._rules = rules
        self.max_tries = rules.max_tries if function.max_tries is None else function.max_tries
        self.job = PlainJob(
            _caller(function),
            queue=rules.queue,
            name=function.name,
            options=JobOptions(timeout_s=function.timeout_s),
        )

    def stack(self, stack: Sequence[Middleware]) -> Sequence[Middleware]:
        """Return the worker's middleware without our log lines, which arq's replace."""
        return [middleware for middleware in stack if middleware is not log_context]

    async def run(self, policy: Policy, ctx: Context, attempt: Attempt) -> Outcome | None:
        """Run one attempt with arq's count of tries, context, hooks and log lines."""
        with structlog.contextvars.bound_contextvars(
            job_id=ctx.job_id, job_name=ctx.job_name, queue=ctx.queue, attempt=ctx.attempt
        ):
            lines = self._lines(ctx)
            if ctx.attempt > self.max_tries:
                lines.out_of_tries(ctx, self.max_tries)
                return self._out_of_tries()
            arq_ctx = self._context(ctx)
            outcome = await self._attempt(policy, ctx, attempt, arq_ctx, lines)
            lines.ended(outcome)
            await _call_hook("on_job_end", self._rules.on_job_end, arq_ctx, lines)
            attempt.afterwards = self._afterwards(ctx, outcome, arq_ctx, lines)
            return outcome

    async def _attempt(
        self,
        policy: Policy,
        ctx: Context,
        attempt: Attempt,
        arq_ctx: dict[Any, Any],
        lines: AttemptLines,
    ) -> Outcome | None:
        _arq_ctx.set(arq_ctx)
        if self._rules.on_job_start:
            try:
                await self._rules.on_job_start(arq_ctx)
            except asyncio.CancelledError as error:
                return self.decide_stopped(policy, ctx.attempt, error, attempt.why_stopped)
            except Exception as error:  # noqa: BLE001 -- as if the job had raised it
                return self.decide(policy, ctx.attempt, error)
        lines.started(ctx)
        return await execute(policy, ctx, attempt)

    def decide(self, _policy: Policy, _attempt: int, error: BaseException) -> Outcome:
        """Return what follows in arq when an attempt ended with *error*."""
        # `_caller` turned arq's signal into ours.
        cause = error.__cause__ if isinstance(error.__cause__, Retry | RetryJob) else error
        if self._rules.retry_jobs and isinstance(cause, Retry):
            return Retrying(max(0.0, (cause.defer_score or 0) / 1000), ErrorRecord.of(cause))
        if self._rules.retry_jobs and isinstance(cause, RetryJob):
            return Retrying(0.0, ErrorRecord.of(cause))
        return Failed(ErrorRecord.of(cause), cause)

    def decide_stopped(
        self, policy: Policy, attempt: int, error: BaseException, why: Stop | None
    ) -> Outcome | None:
        """Return what follows in arq when an attempt was cancelled; None: write nothing."""
        if not isinstance(error, asyncio.CancelledError):
            return self.decide(policy, attempt, error)
        record = ErrorRecord("CancelledError", why.value if why else str(error), "")
        match why:
            case Stop.LOST:
                return None
            case Stop.ABORT:
                return Aborted(record)
            case _ if not self._rules.retry_jobs:
                return Failed(record, error)
            case Stop.RELEASE:
                return Released()
            case None:
                # The function cancelled itself: it costs a try, or that could go on for ever.
                return Retrying(0.0, record)

    def _out_of_tries(self) -> Outcome:
        error = JobExecutionFailed(f"max {self.max_tries} retries exceeded")
        return Failed(ErrorRecord.of(error), error)

    def _context(self, ctx: Context) -> dict[Any, Any]:
        return {
            **self._rules.ctx,
            "job_id": ctx.job_id,
            "job_try": ctx.attempt,
            "enqueue_time": ctx.enqueued_at,
            "score": int(ctx.due_ms),
        }

    def _lines(self, ctx: Context) -> AttemptLines:
        is_cron = isinstance(self._function, CronJob)
        ref = ctx.job_name if is_cron else f"{ctx.job_id}:{ctx.job_name}"
        return AttemptLines(ref, self._rules.log_results)

    def _afterwards(
        self, ctx: Context, outcome: Outcome | None, arq_ctx: dict[Any, Any], lines: AttemptLines
    ) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return what to do when the outcome is in Redis; None if nothing."""
        hook = self._rules.after_job_end
        has_ended = isinstance(outcome, Done | Failed)
        is_cron = isinstance(self._function, CronJob)
        is_tick = is_cron and ctx.job_id.startswith(f"{ctx.job_name}:")
        if hook is None and not (has_ended and is_tick):
            return None

        async def after() -> None:
            if has_ended and is_tick:
                await _keep_in_progress(self._rules.redis, ctx.job_id)
            await _call_hook("after_job_end", hook, arq_ctx, lines)

        return after


def _caller(function: Function | CronJob) -> Callable[..., Any]:
    """Return *function* as the coroutine of a job, with its own signature."""

    @functools.wraps(function.coroutine)
    async def call(_ctx: Context, *args: Any, **kwargs: Any) -> Any:
        try:
            return await function.coroutine(_arq_ctx.get(), *args, **kwargs)
        except (Retry, RetryJob) as signal:
            if isinstance(signal, retry.Retry):
                raise
            # Our middleware knows our signal, and does not report it as a failure.
            delay_s = (getattr(signal, "defer_score", None) or 0) / 1000
            raise retry.Retry(delay_s) from signal

    return call


async def _keep_in_progress(redis: Redis, job_id: str) -> None:
    """Keep a stock arq worker whose clock is behind from running the tick that it enqueues."""
    with contextlib.suppress(RedisError, OSError):
        await redis.set(keys.of(redis).in_progress_prefix + job_id, b"1", ex=keep_cronjob_progress)


async def _call_hook(
    name: str,
    hook: Callable[[dict[Any, Any]], Awaitable[Any]] | None,
    arq_ctx: dict[Any, Any],
    lines: AttemptLines,
) -> None:
    """Call a hook. The job has ended: no error or cancellation changes its outcome."""
    if hook is None:
        return
    try:
        await hook(arq_ctx)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 -- a hook may raise anything
        lines.hook_failed(name)
