"""One job in full, and what runs in which process."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.operations.actions import known_queue
from runner.operations.job import find_queue, job
from runner.operations.processes import processes
from runner.operations.why import explain

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

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
            queues=dashboard.queues,
            about=_links(dashboard, view),
        )

    async def look_up(request: Request) -> Response:
        job_id = request.query_params.get("id", "").strip()
        queue = await find_queue(dashboard.redis, dashboard.queues, job_id)
        if queue is None:
            return dashboard.render(
                request, "job_gone.html.j2", status=404, job_id=job_id, queue=None
            )
        return RedirectResponse(f"/jobs/{queue}/{quote(job_id)}", status_code=303)

    async def running(request: Request) -> Response:
        found = await processes(dashboard.redis, dashboard.queues)
        jobs = [one for process in found for one in process.running]
        jobs.sort(key=lambda one: (one.started_at is None, one.started_at))
        return dashboard.render(
            request,
            "running.html.j2",
            processes=found,
            jobs=jobs[:200],
            more=max(0, sum(process.busy for process in found) - min(200, len(jobs))),
        )

    return [
        Route("/running", running),
        Route("/jobs", look_up),
        Route("/jobs/{queue}/{job_id:path}", one_job, methods=["GET"]),
    ]


def _links(dashboard: Dashboard, view: JobView) -> list[tuple[str, str]]:
    """Pages of the application about what the job works on."""
    return [
        (f"{name} {value}", pattern.format(quote(str(value), safe="")))
        for name, pattern in dashboard.extension.job_links.items()
        if (value := view.arguments.get(name))
    ]
