"""A `@job` in the list of functions of an arq worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from arq.worker import Function

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

    from runner.definition import JobDefinition


@dataclass
class JobFunction(Function):
    """arq's record of a function, with the job that it stands for."""

    job: JobDefinition

    @classmethod
    def of(cls, job: JobDefinition) -> JobFunction:
        """Return the record of *job*."""
        options = job.options_of_worker
        return cls(
            name=job.name,
            # arq never calls it: the middleware calls the job's own coroutine.
            coroutine=cast("WorkerCoroutine", job.coroutine),
            timeout_s=options.timeout_s,
            keep_result_s=options.keep_result_s,
            keep_result_forever=None,
            max_tries=None if options.max_retries is None else options.max_retries + 1,
            job=job,
        )
