"""One job in full."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.operations.actions import known_queue
from runner.operations.groups import groups
from runner.operations.job import find_queue, job
from runner.operations.search import Filter, alike
from runner.operations.why import explain
from runner.states import JobState
from runner.web.tracebacks import parts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.groups import Group
    from runner.operations.job import JobView
    from runner.web.dashboard import Dashboard


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def one_job(request: Request) -> Response:
        queue = known_queue(dashboard.queues, request.path_params["queue"])
        job_id = request.path_params["job_id"]
        view = await job(dashboard.redis, queue, job_id, dashboard.catalog)
        if view is None:
            found = await find_queue(dashboard.redis, dashboard.queues, job_id)
            if found is not None and found != queue:
                return RedirectResponse(f"/jobs/{found}/{quote(job_id)}", status_code=303)
            return dashboard.render(
                request, "job_gone.html.j2", status=404, job_id=job_id, queue=queue
            )
        return dashboard.render(
            request,
            "job.html.j2",
            job=view,
            why=await explain(dashboard.redis, view),
            now=await redis_now(dashboard.redis),
            alone=await _alike(dashboard, view),
            parts=parts,
            queues=dashboard.queues,
            about=_links(dashboard, view),
        )

    return [
        Route("/jobs/{queue}/{job_id:path}", one_job, methods=["GET"]),
    ]


async def _alike(dashboard: Dashboard, view: JobView) -> Group | None:
    """Those that died of the same error; None if there is no other."""
    if view.state is not JobState.DEAD or not view.attempts or not view.attempts[-1].error:
        return None
    last = view.attempts[-1]
    where = Filter(name=view.name or "", like=alike(last.error, last.message))
    found = await groups(dashboard.redis, [view.queue], view.state, dashboard.catalog, where)
    return next((one for one in found.groups if one.count > 1), None)


def _links(dashboard: Dashboard, view: JobView) -> list[tuple[str, str]]:
    """Pages of the application about what the job works on."""
    return [
        (f"{name} {value}", pattern.format(quote(str(value), safe="")))
        for name, pattern in dashboard.extension.job_links.items()
        if (value := view.arguments.get(name))
    ]
