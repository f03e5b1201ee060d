"""Log in and log out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from runner.errors import UnreadableError
from runner.operations import audit
from runner.web.dashboard import local
from runner.web.guesses import TooManyGuessesError
from runner.web.reading import text_of
from runner.wording import span

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.web.dashboard import Dashboard


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
        form = await request.form()
        password = form.get("password")
        if not isinstance(password, str):
            return _page(request, "Enter a password.", 400)
        try:
            found = await authenticator.login(request, text_of(form, "name"), password)
        except TooManyGuessesError as error:
            return _page(request, f"Too many attempts. Wait {span(error.wait_s)}.", 429)
        except UnreadableError as error:
            return _page(request, f"Nobody can log in: {error}.", 503)
        if found is None:
            return _page(request, "Wrong name or password.", 401)
        await audit.record(
            dashboard.redis,
            who=found.name,
            action="log in",
            target=authenticator.address(request),
        )
        onward = local(text_of(form, "next") or "/")
        return RedirectResponse(onward, 303, {"Set-Cookie": found.cookie})

    async def leave(request: Request) -> Response:
        onward = "/login" if authenticator.settings.has_login else "/"
        return RedirectResponse(onward, 303, {"Set-Cookie": await authenticator.logout(request)})

    return [
        Route("/login", show, methods=["GET"]),
        Route("/login", enter, methods=["POST"]),
        Route("/logout", leave, methods=["POST"]),
    ]
