"""A worker's stages, for jobs that a test runs."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runner import clock
from runner.codec import ErrorRecord
from runner.current import entered
from runner.errors import ConfigurationError
from runner.middleware import Middleware, compose
from runner.middleware.timeout import Timeout
from runner.middleware.validation import Validation
from runner.partitions import in_partitions
from runner.worker.attempt import Attempts, call
from runner.worker.claim import Claim
from runner.worker.held import Held
from runner.worker.outcome import Aborted, Outcome, Stop
from runner.worker.policy import Defaults, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.definition import JobDefinition
    from runner.enqueue import Enqueue
    from runner.options import WorkerOptions
    from runner.testing.memory import Kept
    from runner.testing.records import Record
    from runner.worker_settings import WorkerSettings

_WORKER = "test"

waiting_jobs: ContextVar[tuple[Record, ...]] = ContextVar("jobs_that_wait_for_this_one", default=())
"""The job that runs here, and the jobs that wait for it."""


_kept: ContextVar[Kept] = ContextVar("kept_with_this_job")


async def _passed_here(flow_id: str, names: Sequence[str]) -> list[bytes | None]:
    return await _kept.get().passed_on(flow_id, names)


class Stages:
    """
    The stages of the workers of a test, one for each queue.

    workers: the settings classes of all queues that are worked; none: any queue is, by *options*.
    once: run each job once, without retries.
    """

    def __init__(
        self,
        resources: Mapping[type[Any], Any],
        middleware: Sequence[Middleware],
        *,
        options: WorkerOptions,
        workers: Sequence[type[WorkerSettings]] = (),
        once: bool = False,
    ) -> None:
        self._given = resources, middleware, options, workers, once
        self._resources = resources
        self._middleware = middleware
        self._options = options
        self._workers = {name: worker for worker in workers for name in in_partitions(worker.queue)}
        self._once = once
        self._attempts: dict[str, Attempts] = {}
        self._policies: dict[str, Callable[[JobDefinition], Policy]] = {}
        self._patience_s: dict[str, float] = {}
        """How long a cancelled job may take to clean up, by queue."""
        self._limits_s: dict[tuple[str, str], float | None] = {}
        """How long an attempt may take, by queue and job."""

    def works(self, queue: str) -> bool:
        """Whether some worker takes the jobs of *queue*."""
        return not self._workers or queue in self._workers

    def of(self, request: Enqueue) -> Attempts:
        """
        Return the stage that runs this job.

        Raises:
            ConfigurationError: It was enqueued by its name alone, and no settings class is given.
        """
        worker = self._workers.get(request.queue)
        stage = self._attempts.get(request.queue)
        if stage is None:
            stage = self._open(request.queue, worker)
        if worker is None:
            if request.job is None:
                raise ConfigurationError(
                    f"{request.name} was enqueued by its name: give the settings class of its "
                    "queue, such as drain(workers=[MailWorker])"
                )
            self._learn(stage, request.queue, request.job)
        return stage

    def _open(self, queue: str, worker: type[WorkerSettings] | None) -> Attempts:
        options = self._options if worker is None else worker.as_options()
        options = replace(options, queue=queue)
        self._patience_s[queue] = options.cancel_wait_s
        stack: tuple[Middleware, ...] = (
            Validation(options.keep_result_s),
            Timeout(options.timeout_s),
            *options.middleware,
            *self._middleware,
        )
        defaults = Defaults(
            options.max_retries, options.backoff, options.keep_result_s, options.timeout_s
        )

        def policy_of(job: JobDefinition) -> Policy:
            policy = Policy.of(job, compose(stack, call), defaults)
            return replace(policy, max_retries=0) if self._once else policy

        stage = self._attempts[queue] = Attempts(
            options, stack, self._resources, fetch_passed=_passed_here
        )
        self._policies[queue] = policy_of
        for job in () if worker is None else worker.known_jobs():
            self._learn(stage, queue, job)
        return stage

    def _learn(self, stage: Attempts, queue: str, job: JobDefinition) -> None:
        if job.name not in stage.names:
            job.prepare()
            policy = self._policies[queue](job)
            self._limits_s[queue, job.name] = policy.timeout_s
            stage.register(job, policy)

    async def attempt(self, record: Record, kept: Kept, fence: int) -> Outcome | None:
        """
        Run one attempt at a job of *kept*, and return how it ended.

        A cancellation of the caller cancels the attempt, and is raised.
        """
        stage, request = self.of(record.request), record.request
        claim = Claim(
            request.job_id,
            request.job_id.encode(),
            f"{_WORKER}:{fence}",
            record.body,
            record.due.timestamp() * 1000,
            clock.boot(),
            fence,
            record.spent,
            redis_ms=kept.clock.now_ms,
        )
        held = record.held = Held(claim, kept.clock.now_ms, clock.monotonic())
        refused = stage.refusal(held)
        if refused is not None:
            return refused
        task = asyncio.create_task(self._run(stage, held, record, kept))
        held.task = task  # type: ignore[assignment]  # a worker's returns nothing
        try:
            return await self._end_of(stage, request, held, task)
        finally:
            held.task = None

    async def _run(self, stage: Attempts, held: Held, record: Record, kept: Kept) -> Outcome | None:
        with entered(kept):
            _kept.set(kept)
            waiting_jobs.set((*waiting_jobs.get(), record))
            try:
                return await stage.run(held)
            except Exception as error:  # noqa: BLE001 -- an attempt always ends in an outcome
                return stage.end_of_broken(held, error)

    async def _end_of(
        self, stage: Attempts, request: Enqueue, held: Held, task: asyncio.Task[Any]
    ) -> Outcome | None:
        """Wait for an attempt, or leave it behind if it ignores that its time is over."""
        limit_s = self._limits_s[request.queue, request.name]
        patience_s = self._patience_s[request.queue]
        longest_s = None if limit_s is None else limit_s + patience_s
        try:
            await asyncio.wait([task], timeout=longest_s)
        except asyncio.CancelledError:
            held.why_stopped = Stop.RELEASE
            task.cancel()
            await asyncio.wait([task], timeout=patience_s)
            raise
        if not task.done():
            return stage.end_of_stubborn(held)
        if task.cancelled():
            return Aborted(ErrorRecord("CancelledError", "aborted before it started", ""))
        outcome: Outcome | None = task.result()
        return outcome

    def anew(self) -> Stages:
        """Return the same stages for another event loop, to which their processes belong."""
        resources, middleware, options, workers, once = self._given
        return Stages(resources, middleware, options=options, workers=workers, once=once)

    async def close(self) -> None:
        """End the processes for offloaded work."""
        for stage in self._attempts.values():
            await stage.close()
