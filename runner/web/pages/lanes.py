"""Lanes: who is inside, who waits, and another limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.lanes import MOST
from runner.operations.actions import known_queue
from runner.operations.lanes import act, lanes, set_limit
from runner.operations.verbs import LANE_VERBS
from runner.web.reading import text_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

_LONGEST_PART = 160


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of this page and of what it does."""

    async def all_lanes(request: Request) -> Response:
        part = request.query_params.get("name", "")[:_LONGEST_PART]
        page = await lanes(dashboard.redis, dashboard.queues, part=part)
        return dashboard.render(request, "lanes.html.j2", page=page, part=part, most=MOST)

    async def change(request: Request) -> Response:
        form = await request.form()
        queue = known_queue(dashboard.queues, request.path_params["queue"])
        name, what = request.path_params["lane"], request.path_params["verb"]
        operator, redis = dashboard.operator(request), dashboard.redis
        back = text_of(form, "back") or "/lanes"
        if what in LANE_VERBS:
            await act(redis, operator, queue, LANE_VERBS[what], name)
            return dashboard.back(request, back, LANE_VERBS[what].said.format(name))
        given = text_of(form, "limit")
        if what != "limit" or not (given.isascii() and given.isdigit() and int(given[:9]) <= MOST):
            raise HTTPException(400, f"give a limit from 0 to {MOST:,}: nothing was done")
        await set_limit(redis, operator, queue, name, int(given))
        return dashboard.back(request, back, f"{name} runs {int(given):,} at a time.")

    return [
        Route("/lanes", all_lanes),
        Route("/lanes/{queue}/{lane:path}/{verb:str}", change, methods=["POST"]),
    ]
