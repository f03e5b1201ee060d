"""Log in and log out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.operations import audit
from runner.web.dashboard import local

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard

_log = structlog.get_logger("runner.web")


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """The routes of these pages."""
    authenticator = dashboard.authenticator

    async def show(request: Request) -> Response:
        return _page(request, "")

    def _page(request: Request, problem: str, status: int = 200) -> Response:
        return dashboard.render(
            request,
            "login.html.j2",
            status=status,
            problem=problem,
            onward=local(request.query_params.get("next", "/")),
            takes_users=bool(authenticator.settings.users),
            takes_tokens=bool(authenticator.settings.tokens),
        )

    async def enter(request: Request) -> Response:
        if not _from_here(request):
            return _page(request, "This form came from another site.", 403)
        if wait_s := authenticator.must_wait_s(request):
            return _page(request, f"Too many attempts. Wait {wait_s / 60:.0f} minutes.", 429)
        form = await request.form()
        name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
        visitor = await authenticator.login(request, name, password)
        if visitor is None:
            _log.warning("login failed", user=name[:100], address=_address(request))
            return _page(request, "Wrong name or password.", 401)
        await audit.record(
            dashboard.redis, who=visitor.name, action="log in", target=_address(request)
        )
        request.session.clear()
        request.session.update(name=visitor.name, role=visitor.role, csrf=visitor.csrf)
        return RedirectResponse(local(str(form.get("next", "/"))), status_code=303)

    async def leave(request: Request) -> Response:
        request.session.clear()
        return RedirectResponse("/login" if authenticator.settings.has_login else "/", 303)

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", enter, methods=["POST"]),
        Route("/logout", leave, methods=["POST"]),
    ]


def _address(request: Request) -> str:
    return request.client.host if request.client else "?"


def _from_here(request: Request) -> bool:
    """Another site must not log anybody in either."""
    site = request.headers.get("sec-fetch-site")
    return site in {None, "same-origin", "none"}
