"""Queues, one queue with its jobs by state, and the lists of scheduled, retrying and dead jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.routing import Route

from runner.handle import JobState
from runner.operations.actions import known_queue
from runner.operations.jobs import list_jobs
from runner.operations.paging import LISTED
from runner.operations.queues import depth, queue, queues
from runner.web.reading import filter_of, state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.jobs import Page
    from runner.operations.queues import Queue
    from runner.operations.search import Filter
    from runner.web.dashboard import Dashboard

_LISTS = (
    ("/scheduled", JobState.SCHEDULED),
    ("/retries", JobState.RETRYING),
    ("/dead", JobState.DEAD),
)


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def all_queues(request: Request) -> Response:
        counted, series = await asyncio.gather(
            queues(dashboard.redis, dashboard.queues),
            asyncio.gather(*[depth(dashboard.redis, q, points=60) for q in dashboard.queues]),
        )
        return dashboard.render(
            request, "queues.html.j2", rows=list(zip(counted, series, strict=True))
        )

    async def one_queue(request: Request) -> Response:
        name = known_queue(dashboard.queues, request.path_params["queue"])
        state = state_of(request.query_params)
        where = filter_of(request.query_params)
        counted, series, page = await asyncio.gather(
            queue(dashboard.redis, name),
            depth(dashboard.redis, name),
            _asked(dashboard, request, name, state, where),
        )
        return dashboard.render(
            request,
            "queue.html.j2",
            queue=counted,
            queues=dashboard.queues,
            series=series,
            page=page,
            state=state,
            states=LISTED,
            where=where,
            is_first="after" not in request.query_params,
            base=request.url.path,
        )

    return [
        Route("/queues", all_queues),
        *[Route(path, _listing(dashboard, state)) for path, state in _LISTS],
        Route("/queues/{queue:path}", one_queue, methods=["GET"]),
    ]


async def _asked(
    dashboard: Dashboard, request: Request, queue: str, state: JobState, where: Filter
) -> Page:
    """Return the page of jobs that the request asks for."""
    return await list_jobs(
        dashboard.redis,
        queue,
        state,
        dashboard.catalog,
        where=where,
        after=request.query_params.get("after"),
    )


def _listing(dashboard: Dashboard, state: JobState) -> Callable[[Request], Awaitable[Response]]:
    async def page_of(request: Request) -> Response:
        counted = await queues(dashboard.redis, dashboard.queues)
        chosen = request.query_params.get("queue") or _fullest(counted, state)
        name = known_queue(dashboard.queues, chosen)
        where = filter_of(request.query_params)
        page = await _asked(dashboard, request, name, state, where)
        return dashboard.render(
            request,
            "listing.html.j2",
            counted=counted,
            queue=next(one for one in counted if one.name == name),
            queues=dashboard.queues,
            page=page,
            state=state,
            where=where,
            is_first="after" not in request.query_params,
            base=request.url.path,
        )

    return page_of


def _fullest(counted: list[Queue], state: JobState) -> str:
    """The first queue that has such jobs: an empty page would say nothing."""
    having = (one.name for one in counted if getattr(one, state.value))
    return next(having, counted[0].name)
