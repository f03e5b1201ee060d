"""Who is logged in; an operator may end any session, everybody their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from runner.errors import UnreadableError
from runner.operations.sessions import revoke, sessions
from runner.web.dashboard import visitor_of
from runner.wording import counted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.sessions import Session
    from runner.web.dashboard import Dashboard


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""

    async def show(request: Request) -> Response:
        try:
            found, problem = await _shown(dashboard, request), ""
        except UnreadableError as error:
            found, problem = [], str(error)
        return dashboard.render(request, "sessions.html.j2", sessions=found, problem=problem)

    async def end(request: Request) -> Response:
        chosen = set((await request.form()).getlist("id"))
        found = [one for one in await _shown(dashboard, request) if one.session_id in chosen]
        ended = await revoke(dashboard.redis, dashboard.operator(request), found)
        if not ended:
            raise HTTPException(404, "that session has ended already, or is not yours")
        return dashboard.back(request, "/sessions", f"Revoked {counted(ended, 'session')}.")

    return [
        Route("/sessions", show, methods=["GET"]),
        Route("/sessions/revoke", end, methods=["POST"]),
    ]


async def _shown(dashboard: Dashboard, request: Request) -> list[Session]:
    """Those that the visitor may end."""
    visitor = visitor_of(request)
    return [
        one
        for one in await sessions(dashboard.redis)
        if visitor is not None and (visitor.may_operate or one.name == visitor.name)
    ]
