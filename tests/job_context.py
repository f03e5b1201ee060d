"""A context in which a test calls one job directly, without a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.services import Services
from runner import Context, Job
from runner.offload import Offloader

if TYPE_CHECKING:
    from runner.offload import Limits


class _InThisProcess(Offloader):
    """A process of its own takes seconds to load the libraries, and is tested elsewhere."""

    async def run(
        self,
        function: Any,
        /,
        *args: Any,
        timeout_s: float | None = None,
        limits: Limits | None = None,
        on_behalf_of: str = "",
        **kwargs: Any,
    ) -> Any:
        """Call the function."""
        del timeout_s, limits, on_behalf_of
        return function(*args, **kwargs)


def job_context(job: Job[Any, Any], services: Services, attempt: int = 1) -> Context:
    """Return the context of one attempt of *job*, which offloads to this process."""
    return Context(
        job=job,
        job_id="j",
        queue=job.queue,
        attempt=attempt,
        max_retries=3,
        enqueued_ms=0,
        resources={Services: services},
        offloader=_InThisProcess(1),
    )
