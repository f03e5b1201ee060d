"""The overview, and the metrics of all jobs and of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.routing import Route

from runner.operations import metrics
from runner.operations.processes import processes
from runner.operations.queues import queues
from runner.operations.redis_info import store
from runner.worker.counts import BOUNDS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.metrics import Cell, Deploy
    from runner.web.dashboard import Dashboard

PERIODS = (1, 2, 4, 8, 24, 72)


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def overview(request: Request) -> Response:
        redis, names = dashboard.redis, dashboard.queues
        counted, working, jobs, server, marks = await asyncio.gather(
            queues(redis, names),
            processes(redis, names),
            metrics.all_jobs(redis, hours=1),
            store(redis),
            metrics.deploys(redis),
        )
        cells = metrics.together(jobs)
        return dashboard.render(
            request,
            "overview.html.j2",
            queues=counted,
            processes=working,
            jobs=sorted(jobs, key=lambda one: -one.total.failed)[:8],
            cells=cells,
            last=_last_minutes(cells),
            store=server,
            marks=_marks(cells, marks),
        )

    return [Route("/", overview), *_metrics_routes(dashboard)]


def _metrics_routes(dashboard: Dashboard) -> list[BaseRoute]:
    async def all_metrics(request: Request) -> Response:
        hours = _hours(request)
        jobs, marks = await asyncio.gather(
            metrics.all_jobs(dashboard.redis, hours=hours), metrics.deploys(dashboard.redis)
        )
        cells = metrics.together(jobs)
        return dashboard.render(
            request,
            "metrics.html.j2",
            jobs=jobs,
            cells=cells,
            marks=_marks(cells, marks),
            deploys=marks,
            hours=hours,
            choices=PERIODS,
        )

    async def one_metric(request: Request) -> Response:
        hours = _hours(request)
        queue, name = request.path_params["queue"], request.path_params["name"]
        one, marks = await asyncio.gather(
            metrics.one_job(dashboard.redis, queue, name, hours=hours),
            metrics.deploys(dashboard.redis),
        )
        return dashboard.render(
            request,
            "metric.html.j2",
            job=one,
            marks=_marks(one.cells, marks),
            hours=hours,
            choices=PERIODS,
            bounds=BOUNDS_MS,
        )

    return [
        Route("/metrics/jobs", all_metrics),
        Route("/metrics/jobs/{queue}/{name:path}", one_metric),
    ]


def _hours(request: Request) -> int:
    text = request.query_params.get("hours", "8")
    return int(text) if text.isdecimal() and int(text) in PERIODS else 8


def _last_minutes(cells: Sequence[Cell], many: int = 5) -> metrics.Cell:
    total = metrics.Cell()
    for cell in cells[-many:]:
        total.join(cell)
    return total


def _marks(cells: Sequence[Cell], deploys: Sequence[Deploy]) -> list[tuple[float, str]]:
    """Deploys by their place (0 to 1) in the time that *cells* span."""
    times = [cell.at for cell in cells if cell.at is not None]
    if len(times) < 2:  # noqa: PLR2004 -- a span has two ends
        return []
    first, length = times[0], (times[-1] - times[0]).total_seconds()
    placed = [
        ((mark.at - first).total_seconds() / length, f"{mark.release} deployed {mark.at:%H:%M}")
        for mark in deploys
        if mark.at is not None
    ]
    return [(share, title) for share, title in placed if 0 <= share <= 1]
