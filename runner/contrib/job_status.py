"""What a web service tells a client about a job: its state and, once it has ended, its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runner.codec import decode
from runner.decorator import BoundJob, Job
from runner.errors import JobFailedError, ResultNotFoundError, refuse
from runner.handle import JobHandle
from runner.partitions import Queue
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.errors import RunnerError

_ENDED = {JobState.DONE, JobState.DEAD}
_AT_ONCE_S = 5.0
"""The job has ended, so its result is there, unless Redis is away."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """
    One job, for a client.

    result: what it returned, as JSON; None until it is done, and if its result is not kept. error:
    the type of the error that ended it, such as `TimeoutError`; messages and tracebacks are for
    operators.
    """

    id: str
    job: str
    state: str
    result: Any
    error: str | None


class UnknownJobError(LookupError):
    """There is no such job, or it is done and its result is not kept."""


class Statuses:
    """
    Reads the status of some jobs; each by its name and its id, in its queue.

    Raises:
        ConfigurationError: One is no job, or two have one name.
    """

    def __init__(self, jobs: Iterable[Job[Any, Any] | BoundJob[Any, Any]]) -> None:
        self._jobs: dict[str, tuple[Job[Any, Any], str]] = {}
        for one in jobs:
            if not isinstance(one, Job | BoundJob):
                refuse("job_states", f"{one!r} is not a job: give jobs made by @job")
            job = one.job if isinstance(one, BoundJob) else one
            if job.name in self._jobs:
                refuse("job_states", f"two jobs are named {job.name}")
            if isinstance(one.queue, Queue) and one.queue.by is not None:
                refuse(
                    "job_states",
                    f"{job.name} goes into a partition by {one.queue.by!r}, which no id tells: "
                    "partition its queue by the id, or keep the handle's queue",
                )
            self._jobs[job.name] = (job, one.queue)

    async def of(self, name: str, job_id: str) -> JobStatus:
        """
        Return the status of a job.

        Raises:
            RedisError: Redis did not answer.
            UnknownJobError: There is no such job.
        """
        handle = self._handle(name, job_id)
        state = await handle.state()
        if state not in _ENDED:
            return _status(handle, state)
        try:
            return _status(handle, state, result=await handle.result(timeout_s=_AT_ONCE_S))
        except (JobFailedError, ResultNotFoundError) as problem:
            return _status(handle, state, problem=problem)

    def of_sync(self, name: str, job_id: str) -> JobStatus:
        """Return what `of` returns, from a thread without an event loop."""
        handle = self._handle(name, job_id)
        state = handle.state_sync()
        if state not in _ENDED:
            return _status(handle, state)
        try:
            return _status(handle, state, result=handle.result_sync(timeout_s=_AT_ONCE_S))
        except (JobFailedError, ResultNotFoundError) as problem:
            return _status(handle, state, problem=problem)

    def _handle(self, name: str, job_id: str) -> JobHandle[Any]:
        found = self._jobs.get(name)
        if found is None:
            raise UnknownJobError(f"no job is named {name!r} here")
        job, queue = found
        return JobHandle(job_id, queue.of(job_id) if isinstance(queue, Queue) else queue, job=job)


def _status(
    handle: JobHandle[Any],
    state: JobState,
    *,
    result: Any = None,
    problem: RunnerError | None = None,
) -> JobStatus:
    job = cast("Job[Any, Any]", handle.job)
    if state is JobState.UNKNOWN:
        raise UnknownJobError(f"no job {job.name} has this id, or its result is not kept")
    return JobStatus(
        id=handle.id,
        job=job.name,
        state=state.value,
        result=None if result is None else decode(job.write_result(result)),
        error=problem.error_type if isinstance(problem, JobFailedError) else None,
    )
