"""Schedules and the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from runner.operations import audit
from runner.operations.schedules import schedules, schedules_in_sight
from runner.web.reading import ENTRY

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def all_schedules(request: Request) -> Response:
        seen = schedules_in_sight(dashboard.schedule, dashboard.queues)
        found = await schedules(dashboard.redis, seen, dashboard.catalog)
        return dashboard.render(
            request,
            "schedules.html.j2",
            schedules=found,
            links_to=dashboard.extension.schedule_links,
        )

    async def log(request: Request) -> Response:
        before = request.query_params.get("before", "")
        page = await audit.entries(
            dashboard.redis, before=before if ENTRY.fullmatch(before) else None
        )
        return dashboard.render(request, "audit.html.j2", page=page)

    return [Route("/schedules", all_schedules), Route("/audit", log)]
