"""
FastAPI, and anything on Starlette: a lifespan for the client, and a router for the state of jobs.

    app = FastAPI(lifespan=lifespan)
    app.include_router(job_states(build_report), prefix="/jobs")

    @app.post("/reports", status_code=202)
    async def order(day: date, request: Request) -> dict[str, str]:
        handle = await build_report.enqueue(day=day)
        return {"state": str(request.url_for("job_state", job="build_report", job_id=handle.id))}

An `async def` route awaits `enqueue`; a `def` route, which FastAPI runs in a thread, calls
`enqueue_sync`. Both go to `REDIS_URL`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from runner.contrib.job_status import (
    JobStatus,
    Statuses,
    UnknownJobError,
)
from runner.current import current_client, disconnect
from runner.extras import extra

with extra("fastapi", "runner.contrib.fastapi"):
    from fastapi import APIRouter, HTTPException

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runner.decorator import BoundJob, Job


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """
    Make the client of this event loop as the service starts, and close it as the service ends.

    It connects at its first call, so the service starts while Redis is away. Inside a lifespan of
    your own: `async with lifespan(app): …`.

    Raises:
        ConfigurationError: `REDIS_URL` is not set, or is not a Redis address.
    """
    _ = current_client()
    try:
        yield
    finally:
        await disconnect()


def job_states(*jobs: Job[Any, Any] | BoundJob[Any, Any]) -> APIRouter:
    """
    Return a router with `GET /{job}/{job_id}`: the state of one of *jobs*, and its result.

    The route is named `job_state`. It answers 404 for a job that is not among them or not known.
    Whoever knows an id, 128 random bits unless you chose it, reads the result: give
    `include_router` the `dependencies` that check who asks, if that is not enough. A job that is
    enqueued into another queue than its own is given as `job.options(queue=…)`.

    Raises:
        ConfigurationError: One of them is no job, or two have one name.
    """
    statuses = Statuses(jobs)
    router = APIRouter(tags=["jobs"])

    @router.get("/{job}/{job_id}", name="job_state", responses={404: {"description": "Unknown"}})
    async def job_state(job: str, job_id: str) -> JobStatus:
        """Return the state of a job, and its result once it has ended."""
        try:
            return await statuses.of(job, job_id)
        except UnknownJobError as unknown:
            raise HTTPException(404, str(unknown)) from None

    return router
