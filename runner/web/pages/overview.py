"""The overview, and the metrics of all jobs and of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.routing import Route

from runner.broker.redis_clock import redis_now
from runner.operations import metrics
from runner.operations.findings import CHECKED, findings, in_words, title
from runner.operations.snapshot import look
from runner.operations.usual import ABOUT
from runner.worker.counts import BOUNDS_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

PERIODS = (1, 2, 4, 8, 24, 72)
SPANS = (1, 6, 24, 72)
"""Hours that the overview's chart can span."""


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def overview(request: Request) -> Response:
        redis, names = dashboard.redis, dashboard.queues
        hours = _hours(request, SPANS, 1)
        seen = await look(
            redis, names, dashboard.catalog, dashboard.schedule, bands=dashboard.usual
        )
        jobs = seen.jobs if hours == 1 else await metrics.all_jobs(redis, hours=hours)
        found = findings(seen)
        return dashboard.render(
            request,
            "overview.html.j2",
            seen=seen,
            found=found,
            title=title(found),
            checked=CHECKED,
            many_checked=in_words(len(CHECKED)),
            last=seen.last,
            about_usual=ABOUT,
            cells=metrics.together(jobs),
            step_s=jobs[0].step_s if jobs else 60,
            hours=hours,
            spans=SPANS,
            polls=sorted(one.at for series in seen.depths.values() for one in series if one.at),
            with_buttons=False,
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
            deploys=marks,
            step_s=60 if hours <= metrics.MINUTES_HOURS else 600,
            until=await redis_now(dashboard.redis),
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
            deploys=marks,
            until=await redis_now(dashboard.redis),
            hours=hours,
            choices=PERIODS,
            bounds=BOUNDS_MS,
        )

    return [
        Route("/metrics/jobs", all_metrics),
        Route("/metrics/jobs/{queue}/{name:path}", one_metric),
    ]


def _hours(request: Request, choices: Sequence[int] = PERIODS, usual: int = 8) -> int:
    text = request.query_params.get("hours", "")
    return int(text) if text.isdecimal() and int(text) in choices else usual
