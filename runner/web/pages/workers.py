"""The fleet: a square for each process, those to look at first, all others; and one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.operations.fleet import WORST_FIRST, fleet
from runner.operations.one_worker import LISTED, one_worker
from runner.web import waterfall
from runner.web.reading import whole_number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.fleet import Member
    from runner.web.dashboard import Dashboard

_PAGE: Final = 50
_MOST_PAGES: Final = 1_000


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def workers(request: Request) -> Response:
        found = await fleet(dashboard.redis, dashboard.queues)
        wanted = request.query_params.get("text", "").strip().lower()[:200]
        fitting = [one for one in found.members if _fits(one, wanted)]
        number = whole_number(request, "page", 1, _MOST_PAGES)
        first = sorted(
            (one for one in fitting if one.trouble), key=lambda one: WORST_FIRST.index(one.trouble)
        )
        others = [one for one in fitting if not one.trouble]
        start = (number - 1) * _PAGE
        return dashboard.render(
            request,
            "workers.html.j2",
            fleet=found,
            first=first[:_PAGE] if number == 1 else [],
            others=others[start : start + _PAGE],
            many=len(others),
            start=start,
            number=number,
            has_more=len(others) > start + _PAGE,
            text=wanted,
        )

    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        found = await one_worker(dashboard.redis, dashboard.queues, name, dashboard.catalog)
        if found is None:
            raise HTTPException(
                404, f"no worker {name[:200]} is here: it has stopped, or never was"
            )
        return dashboard.render(
            request, "worker.html.j2", one=found, waterfall=waterfall, listed=LISTED
        )

    return [Route("/workers", workers), Route("/workers/{name:path}", one, methods=["GET"])]


def _fits(one: Member, wanted: str) -> bool:
    words = " ".join((one.name, one.release, *one.queues, one.trouble)).lower()
    return wanted in words
