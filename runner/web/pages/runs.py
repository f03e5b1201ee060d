"""The latest runs; and one as a waterfall, with what one of its jobs logged and gave."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.errors import ConfigurationError
from runner.operations.actions import known_queue
from runner.operations.job import job
from runner.operations.run_list import latest
from runner.web import waterfall
from runner.web.reading import moment_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.job import JobView
    from runner.operations.run_list import RunSummary
    from runner.operations.runs import RunKey
    from runner.web.dashboard import Dashboard


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def run(request: Request) -> Response:
        if not {"batch", "trace"} & request.query_params.keys():
            return await _latest(dashboard, request)
        key = await _asked(dashboard, request)
        graph = await dashboard.runs.graph(key)
        chosen = await _chosen(dashboard, request.query_params.get("job", ""))
        return dashboard.render(
            request,
            "run.html.j2",
            run=graph,
            axis=waterfall.axis_of(graph),
            rows=waterfall.rows(graph),
            waterfall=waterfall,
            chosen=chosen,
            address=lambda one: _address(key, f"{one.queue}|{one.job_id}"),
        )

    async def of_job(request: Request) -> Response:
        job_id = request.path_params["job_id"]
        key = await dashboard.runs.of_job(job_id)
        if key is None:
            return dashboard.render(
                request, "job_gone.html.j2", status=404, job_id=job_id, queue=None
            )
        return RedirectResponse(_address(key, request.query_params.get("job", "")), 303)

    return [
        Route("/runs", run, methods=["GET"]),
        Route("/runs/{job_id:path}", of_job, methods=["GET"]),
    ]


async def _latest(dashboard: Dashboard, request: Request) -> Response:
    page = await latest(dashboard.redis, dashboard.queues, dashboard.catalog)
    return dashboard.render(request, "runs.html.j2", page=page, address=_summary_address)


def _summary_address(one: RunSummary) -> str:
    if one.batch_id:
        return f"/runs?{urlencode({'batch': one.batch_id})}"
    asked = {"trace": one.trace}
    if one.began_at is not None and not one.is_whole:  # a whole one's trace says when
        asked["from"] = one.began_at.isoformat()
    return f"/runs?{urlencode(asked)}"


async def _asked(dashboard: Dashboard, request: Request) -> RunKey:
    query = request.query_params
    try:
        if query.get("batch"):
            return await dashboard.runs.of_batch(query["batch"])
        began = query.get("from", "")
        known_at = moment_of(began, None) or await redis_now(dashboard.redis)
        return dashboard.runs.of_trace(query.get("trace", ""), known_at)
    except ConfigurationError as error:
        raise HTTPException(404, str(error)) from None


async def _chosen(dashboard: Dashboard, asked: str) -> JobView | None:
    """The job that is looked at closer: `<queue>|<id>`."""
    queue, _, job_id = asked.partition("|")
    if not job_id:
        return None
    name = known_queue(dashboard.queues, queue)
    return await job(dashboard.redis, name, job_id, dashboard.catalog)


def _address(key: RunKey, chosen: str) -> str:
    asked = {"batch": key.batch_id} if key.batch_id else {"trace": key.trace}
    if key.trace and not key.says_when:
        asked["from"] = key.known_at.isoformat()
    if chosen:
        asked["job"] = chosen
    return f"/runs?{urlencode(asked)}"
