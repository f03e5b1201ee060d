"""One job, from its claim to its outcome: what `worker` starts a task for."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.codec import Envelope, ErrorRecord, decode_job
from runner.context import Context
from runner.enqueue import current_batch, current_trace
from runner.errors import CodecError
from runner.middleware import Middleware, compose
from runner.offload.offloader import Offloader
from runner.on_arq.function import PlainFunction
from runner.on_arq.log import tell_refusal
from runner.telemetry.job_log import running as _running
from runner.worker.execute import Policy, Stop, cancelled, decide
from runner.worker.outcome import Aborted, Dead, Done, Outcome, Released

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from arq.cron import CronJob
    from arq.worker import Function

    from runner.context import Progress
    from runner.definition import Job
    from runner.on_arq.job_function import JobFunction
    from runner.on_arq.worker import Worker
    from runner.options import WorkerOptions
    from runner.worker.claim import Claim


@dataclass(slots=True, eq=False)
class Held:
    """A job that a worker holds: from its claim until Redis has answered for its outcome."""

    claim: Claim
    started_ms: int
    task: asyncio.Task[None] | None = None
    why_stopped: Stop | None = None
    envelope: Envelope | None = None
    policy: Policy | None = None
    afterwards: Callable[[], Coroutine[Any, Any, None]] | None = None
    """To be done when Redis has answered for its outcome."""

    cancelled_at: float | None = None
    """When it was first seen to go on although it was cancelled, by the loop's clock."""
    progress: Progress | None = None
    lines: deque[str] | None = None
    """What the attempt has logged last."""

    is_left_behind: bool = False
    """Its end has been told, though its coroutine still runs."""

    @property
    def is_running(self) -> bool:
        """Whether its coroutine has not come to an end yet, and somebody waits for that."""
        return self.task is not None and not self.task.done() and not self.is_left_behind


class Attempts:
    """Runs the jobs that one worker knows. Middleware is composed once for each of them."""

    def __init__(
        self,
        options: WorkerOptions,
        stack: Sequence[Middleware],
        resources: Mapping[type[Any], Any],
        *,
        read_body: Callable[[bytes], Envelope] = decode_job,
    ) -> None:
        self._options = options
        self._queue = options.queue
        self._read_body = read_body
        self._speaks_arq = False
        self._stack = stack
        self._resources = resources
        self._offloader = options.offloader or Offloader(options.offload_processes)
        self._known: dict[str, tuple[Job[Any, Any], Policy]] = {}

    def learn(self, function: JobFunction, *, keep_result_s: float | None) -> None:
        """
        Register a job of ours; *keep_result_s* for a job that does not say.

        Raises:
            ConfigurationError: A name in its signature cannot be found.
        """
        job = function.job
        job.prepare()
        own = job.options_of_worker
        options = self._options
        policy = Policy(
            handler=compose(self._stack, _call),
            max_retries=options.max_retries if own.max_retries is None else own.max_retries,
            backoff=own.backoff or options.backoff,
            keep_result_s=keep_result_s if own.keep_result_s is None else own.keep_result_s,
            decide=decide,
        )
        self._known[job.name] = (job, policy)

    def learn_plain(
        self, function: Function | CronJob, worker: Worker, *, keep_result_s: float | None
    ) -> None:
        """Register a plain arq function or cron job of *worker*, with arq's semantics."""
        plain = PlainFunction(function, worker)
        own_keep_s = keep_result_s if function.keep_result_s is None else function.keep_result_s
        policy = Policy(
            handler=compose(plain.stack(self._stack), _call),
            max_retries=max(0, plain.max_tries - 1),
            backoff=self._options.backoff,
            keep_result_s=None if function.keep_result_forever else own_keep_s,
            decide=plain.decide,
            plain=plain,
        )
        self._known[function.name] = (plain.job, policy)
        self._speaks_arq = True

    async def close(self) -> None:
        """End the processes that were kept for offloaded work, if nobody else shares them."""
        if self._options.offloader is None:
            await self._offloader.close()

    @property
    def names(self) -> list[str]:
        """Names of the jobs known here."""
        return sorted(self._known)

    async def run(self, held: Held) -> Outcome | None:
        """
        How the job ended; None if it is no longer this worker's to say.

        Never raises, whatever the job does, unless the process itself is to end.
        """
        refusal = self._open(held)
        if refusal is not None:
            if self._speaks_arq:
                tell_refusal(held, refusal)
            return refusal
        ctx, policy = self._prepare(held)
        _running.set(held)
        try:
            if policy.plain is not None:
                return await policy.plain.run(policy, ctx, held)
            # As `execute` has it, without one more coroutine around each job.
            return Done(await policy.handler(ctx))
        except asyncio.CancelledError:
            return cancelled(policy, ctx.attempt, held.why_stopped)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 -- a job may raise anything, SystemExit too
            if held.why_stopped is None:
                return policy.decide(policy, ctx.attempt, error)
            # Cancelled by the worker, it raised something else: still nobody's fault.
            return cancelled(policy, ctx.attempt, held.why_stopped)

    def is_overdue(self, held: Held) -> bool:
        """Whether a cancelled job should be over by now: timed out, aborted, or no longer ours."""
        if held.why_stopped is not None:
            return held.why_stopped is not Stop.RELEASE
        limit_s = self._limit_s(held)
        return limit_s is not None and time.time() - held.started_ms / 1000 > limit_s

    def end_of_stubborn(self, held: Held) -> Outcome | None:
        """How an overdue job ended, as far as anybody waits for it."""
        policy, attempt = held.policy, held.claim.attempts_spent + 1
        assert policy is not None  # noqa: S101 -- it runs
        if held.why_stopped is not None:
            return cancelled(policy, attempt, held.why_stopped)
        limit_s = self._limit_s(held)
        return policy.decide(
            policy,
            attempt,
            TimeoutError(f"did not end within {limit_s:g} s, and ignored its cancellation"),
        )

    def _limit_s(self, held: Held) -> float | None:
        assert held.envelope is not None  # noqa: S101 -- it runs
        own_s = self._known[held.envelope.name][0].options_of_worker.timeout_s
        return self._options.timeout_s if own_s is None else own_s

    def _open(self, held: Held) -> Outcome | None:
        """Read the body; an outcome if the job cannot be run here and now."""
        claim = held.claim
        if claim.body is None:
            return Dead(ErrorRecord("BodyMissing", "the job's body is gone from Redis", ""))
        try:
            envelope = held.envelope = self._read_body(claim.body)
        except CodecError as error:
            return Dead(ErrorRecord.of(error))
        if envelope.attempt is not None:
            # A stock arq client says so in the body alone, ours beside it, too.
            claim.attempts_spent = max(claim.attempts_spent, envelope.attempt - 1)
        if claim.aborted:
            return Aborted(ErrorRecord("CancelledError", "aborted before it started", ""))
        if claim.crashes >= self._options.max_crashes:
            lost = f"lost with its worker {claim.crashes} times"
            return Dead(ErrorRecord("Poison", lost, ""))
        if envelope.name not in self._known:
            return Released(self._options.unknown_delay_s, unknown_name=envelope.name)
        return None

    def _prepare(self, held: Held) -> tuple[Context, Policy]:
        claim, envelope = held.claim, held.envelope
        assert envelope is not None  # noqa: S101 -- `_open` has read it
        job, policy = self._known[envelope.name]
        held.policy = policy
        # A task of its own starts without either: only a worker enqueues from outside a job.
        if envelope.batch_id is not None:
            current_batch.set(envelope.batch_id)
        if envelope.trace is not None:
            current_trace.set(envelope.trace)
        # By place: naming that many takes half as long again, and this is done for each job.
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
        )
        return ctx, policy


def _call(ctx: Context) -> Any:
    """The innermost handler: the coroutine itself."""
    return ctx.job.coroutine(ctx, *ctx.args, **ctx.kwargs)


def held_by(task: asyncio.Task[object] | None) -> Held | None:
    """The job that *task* runs, or was started by; from any thread."""
    if task is None:
        return None
    for variables in _variables_of(task):
        held = variables.get(_running)
        if isinstance(held, Held):
            return held
    return None


def _variables_of(task: asyncio.Task[object]) -> list[Variables]:
    if sys.version_info >= (3, 12):
        return [task.get_context()]
    return [found for found in gc.get_referents(task) if isinstance(found, Variables)]
