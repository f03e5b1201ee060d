"""The JSON API's part on runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from starlette.exceptions import HTTPException

from runner.errors import ConfigurationError
from runner.operations.run_list import RunPage, latest
from runner.operations.runs import RunGraph
from runner.web.endpoint import Endpoint

if TYPE_CHECKING:
    from starlette.requests import Request

    from runner.web.dashboard import Dashboard

_LOOKED_FOR_S = 2.0
"""A caller of the API reads once, where a page looks again."""

_JobId = Annotated[str, Field(description="Id of a job of the run.", min_length=1)]
_BatchId = Annotated[str, Field(description="Id of the batch or flow.", min_length=1)]


def endpoints(dashboard: Dashboard) -> list[Endpoint]:
    """Return the operations on runs."""

    async def newest(_: Request) -> RunPage:
        return await latest(dashboard.redis, dashboard.queues, dashboard.catalog)

    async def of_job(request: Request) -> RunGraph | None:
        key = await dashboard.runs.of_job(request.path_params["job_id"])
        return None if key is None else await dashboard.runs.graph(key, for_s=_LOOKED_FOR_S)

    async def of_batch(request: Request) -> RunGraph:
        try:
            key = await dashboard.runs.of_batch(request.path_params["batch_id"])
        except ConfigurationError as error:
            raise HTTPException(404, str(error)) from None
        return await dashboard.runs.graph(key, for_s=_LOOKED_FOR_S)

    return [
        Endpoint("GET", "/api/runs", "List the latest runs, the last one first", RunPage, newest),
        Endpoint(
            "GET",
            "/api/runs/{job_id:path}",
            "Show the run of a job: what led to it, and what followed",
            RunGraph,
            of_job,
            {"job_id": _JobId},
        ),
        Endpoint(
            "GET",
            "/api/batches/{batch_id}/run",
            "Show the run of a batch or flow",
            RunGraph,
            of_batch,
            {"batch_id": _BatchId},
        ),
    ]
