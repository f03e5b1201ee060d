"""One attempt at a job, from its claim to its outcome; each runs in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from runner.codec import EXPIRED, Envelope, ErrorRecord, decode_job
from runner.context import Context
from runner.enqueue import current_batch, current_job, current_trace
from runner.errors import Bury, CodecError
from runner.middleware import Handler, Middleware, compose
from runner.offload import Offloader
from runner.passing import InputMissingError, filled
from runner.telemetry import job_log
from runner.wording import not_started, span
from runner.worker.execute import execute, may_be_ctrl_c
from runner.worker.outcome import Aborted, Dead, Expired, Outcome, Parked, Stop
from runner.worker.parked import label, split
from runner.worker.policy import Defaults, Policy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from runner.definition import JobDefinition
    from runner.options import WorkerOptions
    from runner.worker.claim import Claim
    from runner.worker.held import Held

FetchPassed = Callable[[str, "Sequence[str]"], "Awaitable[list[bytes | None]]"]
"""Gives what stands under these names among what the nodes of a flow have passed on."""

_log = structlog.get_logger("runner.worker")

_LABELS_LOGGED = 1000


class Attempts:
    """
    Runs the jobs that one worker knows. Middleware is composed once for each job.

    on_refused: called with each job that was claimed and cannot run here. fetch_passed: reads what
    nodes of a flow have passed on.
    """

    def __init__(
        self,
        options: WorkerOptions,
        stack: Sequence[Middleware],
        resources: Mapping[type[Any], Any],
        *,
        read_body: Callable[[bytes], Envelope] = decode_job,
        on_refused: Callable[[Held, Outcome], None] | None = None,
        fetch_passed: FetchPassed | None = None,
    ) -> None:
        self._options = options
        self._queue = options.queue
        self._read_body = read_body
        self._on_refused = on_refused
        self._fetch_passed = fetch_passed
        self._stack = stack
        self._resources = resources
        self._offloader = options.offloader or Offloader(options.offload_processes)
        self._defaults = Defaults(
            options.max_retries, options.backoff, options.keep_result_s, options.timeout_s
        )
        self._known: dict[str, tuple[JobDefinition, Policy]] = {}
        self._parked_here: set[str] = set()
        self._paused: frozenset[str] = frozenset()

    def learn(self, job: JobDefinition) -> None:
        """
        Register a job made by `@job`.

        Raises:
            ConfigurationError: A name in its signature cannot be found.
        """
        job.prepare()
        self.register(job, Policy.of(job, compose(self._stack, call), self._defaults))

    def register(self, job: JobDefinition, policy: Policy) -> None:
        """Register *job* under its name, to be run by *policy*."""
        self._known[job.name] = (job, policy)

    async def close(self) -> None:
        """End the processes for offloaded work, unless other workers share them."""
        if self._options.offloader is None:
            await self._offloader.close()

    @property
    def names(self) -> list[str]:
        """Names of the jobs known here."""
        return sorted(self._known)

    def refusal(self, held: Held) -> Outcome | None:
        """Read the body of *held*; return an outcome if the job cannot run here."""
        refusal = self._open(held)
        if refusal is not None and self._is_news(refusal) and self._on_refused is not None:
            self._on_refused(held, refusal)
        return refusal

    def run(self, held: Held) -> Awaitable[Outcome | None]:
        """
        Run one attempt at what was not refused, in the current task.

        Gives how it ended; None if the claim was lost.
        """
        policy, ctx = self._prepare(held)
        job_log.running.set(held)
        if held.envelope is not None and held.envelope.inputs is not None:
            policy = replace(policy, handler=self._with_inputs(policy.handler, held.envelope))
        return (policy.run or execute)(policy, ctx, held)

    def _with_inputs(self, handler: Handler, envelope: Envelope) -> Handler:
        """Return *handler* with what other nodes of the flow have passed on among the arguments."""

        async def run(ctx: Context) -> Any:
            fetch = self._fetch_passed
            if fetch is None or envelope.batch_id is None or envelope.inputs is None:
                raise Bury("it needs results of other jobs of a flow, and is in none")
            try:
                ctx.args, ctx.kwargs = await filled(
                    partial(fetch, envelope.batch_id),
                    ctx.job_id,
                    envelope.inputs,
                    ctx.args,
                    ctx.kwargs,
                )
            except InputMissingError as error:
                raise Bury(str(error)) from error
            return await handler(ctx)

        return run

    def end_of_broken(self, held: Held, error: BaseException) -> Outcome:
        """
        Return the outcome of an attempt in which *error* was raised beside the job: it is buried.

        Raises:
            BaseException: *error* itself, a cancellation or Ctrl-C.
        """
        if may_be_ctrl_c(error) or issubclass(type(error), asyncio.CancelledError):
            raise error
        record = ErrorRecord.of(error)
        _log.error(
            "job cannot be run",
            job_id=held.claim.job_id,
            error=record.error,
            message=record.message,
        )
        return Dead(record)

    def knows(self, parked_as: str) -> bool:
        """Whether jobs that are parked under this label can run here."""
        if parked_as in self._known:
            return parked_as not in self._paused
        name, surplus = split(parked_as)
        if name in self._paused:
            return False
        known = self._known.get(name)
        return known is not None and bool(surplus) and known[0].takes(surplus)

    def note_paused(self, names: frozenset[str]) -> None:
        """Let no job of these names start from now on."""
        self._paused = names

    def _is_news(self, refusal: Outcome) -> bool:
        """Log the first job of each label that is parked here; whether a line is due."""
        if type(refusal) is not Parked:
            return True
        if refusal.is_paused:
            return False
        if refusal.label in self._parked_here:
            return False
        if len(self._parked_here) < _LABELS_LOGGED:
            self._parked_here.add(refusal.label)
            _log.warning(
                "jobs parked: this worker does not know them; one that does takes them back",
                queue=self._queue,
                jobs=refusal.label,
            )
        return True

    def is_overdue(self, held: Held) -> bool:
        """Whether a cancelled job should have ended: it timed out, was aborted, or is lost."""
        if held.why_stopped is not None:
            return held.why_stopped is not Stop.RELEASE
        limit_s = None if held.policy is None else held.policy.timeout_s
        return limit_s is not None and held.age_s > limit_s

    def end_of_stubborn(self, held: Held) -> Outcome | None:
        """Return the outcome of an overdue job that ignores its cancellation."""
        policy, attempt = held.policy, held.claim.attempts_spent + 1
        assert policy is not None  # noqa: S101 -- it runs
        if held.why_stopped is not None:
            ignored = asyncio.CancelledError("ignored")
            return policy.decide_stopped(policy, attempt, ignored, held.why_stopped)
        name = "" if held.envelope is None else held.envelope.name
        late = f"did not end within {policy.timeout_s:g} s, and " + (
            "its thread, which cannot be stopped, goes on"
            if name in self._known and self._known[name][0].in_thread
            else "ignored its cancellation"
        )
        return policy.decide(policy, attempt, TimeoutError(late))

    def end_of_closed(self, held: Held, error: GeneratorExit) -> Outcome | None:
        """Return the outcome of a job that awaited a task which raised *error*."""
        policy = held.policy
        if policy is None:
            return Dead(ErrorRecord.of(error))
        attempt = held.claim.attempts_spent + 1
        if held.why_stopped is not None:
            return policy.decide_stopped(policy, attempt, error, held.why_stopped)
        return policy.decide(policy, attempt, error)

    def _open(self, held: Held) -> Outcome | None:
        """Read the body; return an outcome if the job cannot run here."""
        claim = held.claim
        if claim.body is None:
            return Dead(ErrorRecord("BodyMissing", "the job's body is gone from Redis", ""))
        try:
            envelope = held.envelope = self._read_body(claim.body)
        except CodecError as error:
            return Dead(ErrorRecord.of(error))
        if envelope.attempt is not None:
            # A stock arq client counts attempts only in the body; we also count them in Redis.
            claim.attempts_spent = max(claim.attempts_spent, envelope.attempt - 1)
        if claim.aborted or claim.crashes or envelope.limits is not None:
            over = self._is_over(claim, envelope)
            if over is not None:
                return over
        known = self._known.get(envelope.name)
        if known is None:
            return Parked(envelope.name)
        if self._paused and envelope.name in self._paused:
            return Parked(envelope.name, is_paused=True)
        surplus = known[0].surplus(envelope.args, envelope.kwargs)
        return Parked(label(envelope.name, surplus)) if surplus else None

    def _is_over(self, claim: Claim, envelope: Envelope) -> Outcome | None:
        """Return the outcome of a job that is not to start any more."""
        if claim.aborted:
            return Aborted(ErrorRecord("CancelledError", not_started(claim.dropped_for), ""))
        late = too_late(claim, envelope)
        if late:
            return Expired(ErrorRecord(EXPIRED, late, ""))
        if claim.crashes >= self._options.max_crashes:
            lost = f"lost with its worker {claim.crashes} times"
            return Dead(ErrorRecord("Poison", lost, ""))
        return None

    def _prepare(self, held: Held) -> tuple[Policy, Context]:
        claim, envelope = held.claim, held.envelope
        assert envelope is not None  # noqa: S101 -- `_open` has read it
        job, policy = self._known[envelope.name]
        held.policy = policy
        # The task of a job starts without any of them.
        current_job.set((claim.job_id, envelope.enqueued_ms))
        if envelope.batch_id is not None:
            current_batch.set(envelope.batch_id)
        if envelope.trace is not None:
            current_trace.set(envelope.trace)
        # By position: keywords would take half as long again, for each job.
        ctx = Context(
            job,
            claim.job_id,
            self._queue,
            claim.attempts_spent + 1,
            policy.max_retries,
            envelope.enqueued_ms,
            tuple(envelope.args),
            envelope.kwargs,
            self._resources,
            claim.due_ms,
            envelope.batch_id,
            envelope.trace,
            self._offloader,
            held,
            claim.fence,
        )
        ctx.is_passed_on = envelope.passes is not None
        if envelope.limits is not None and (until_ms := envelope.deadline_ms) is not None:
            left_s = max(0.0, (until_ms - claim.latest_ms) / 1000)
            ctx.time_left_s = left_s
            limit_s = left_s if policy.timeout_s is None else min(left_s, policy.timeout_s)
            held.policy = replace(policy, timeout_s=limit_s)
        return policy, ctx


def too_late(claim: Claim, envelope: Envelope) -> str:
    """Why no attempt at a job may start now, by Redis's clock; empty if one may."""
    if envelope.limits is None:
        return ""
    now_ms, until_ms, within_ms = claim.latest_ms, envelope.deadline_ms, envelope.start_within_ms
    if until_ms is not None and now_ms > until_ms:
        late = span((now_ms - until_ms) / 1000)
        return f"its deadline had passed {late} before an attempt could start"
    waited_ms = now_ms - claim.due_ms
    if within_ms is not None and waited_ms > within_ms:
        within, waited = span(within_ms / 1000), span(waited_ms / 1000)
        return f"it was to start within {within} of when it was due, and waited for {waited}"
    return ""


def call(ctx: Context) -> Any:
    """The innermost handler: the coroutine itself."""
    return ctx.job.coroutine(ctx, *ctx.args, **ctx.kwargs)
