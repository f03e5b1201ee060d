"""The application: pages, API, styles, the stream of changes, and the guard around all of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runner.broker.outage import no_answer
from runner.errors import RunnerError, ServerAwayError, UnreadableError
from runner.web import api, prometheus
from runner.web.guard import Guard
from runner.web.pages import (
    actions,
    batches,
    job_list,
    jobs,
    lanes,
    login,
    overview,
    queues,
    records,
    runs,
    sessions,
    workers,
)
from runner.web.static_files import STATIC, content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runner.broker.announced import Away
    from runner.web.dashboard import Dashboard

_log = structlog.get_logger("runner.web")

_WITH_ONE_AWAY_S = 0.35
"""How long a page may take while one of several servers is away."""

_FOR_A_DAY = "public, max-age=86400"


def dashboard_app(
    dashboard: Dashboard,
    *,
    hosts: Collection[str],
    look_again: Callable[[], Awaitable[None]] | None = None,
) -> ASGIApp:
    """
    Make the ASGI application.

    hosts: names that it answers to; `*.example.com` is all below a name, `*` is any. look_again:
    finds out anew which queues there are, before each page.

    Raises:
        ConfigurationError: A name in *hosts* is none.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await dashboard.close()

    async def stream(request: Request) -> Response:
        async def is_welcome() -> bool | None:
            try:
                return await dashboard.authenticator.visitor(request, is_use=False) is not None
            except RunnerError:
                return False  # the page asks again, and is answered why
            except (RedisError, OSError):
                return None

        return dashboard.live.respond(is_welcome)

    async def refused(request: Request, error: Exception) -> Response:
        status = 503 if isinstance(error, UnreadableError | ServerAwayError) else 400
        if isinstance(error, HTTPException):
            status = error.status_code
        return _problem(dashboard, request, status, str(getattr(error, "detail", error)))

    async def away(request: Request, error: Exception) -> Response:
        _log.warning("Redis does not answer the pages", error=str(error))
        return _problem(dashboard, request, 503, no_answer(error))

    async def broken(request: Request, error: Exception) -> Response:
        _log.error("a page failed", path=request.url.path, exc_info=error)
        return _problem(dashboard, request, 500, "That failed; the log says why.")

    inner = Starlette(
        routes=[
            *overview.routes(dashboard),
            *actions.routes(dashboard),
            *queues.routes(dashboard),
            *job_list.routes(dashboard),
            *jobs.routes(dashboard),
            *batches.routes(dashboard),
            *lanes.routes(dashboard),
            *runs.routes(dashboard),
            *workers.routes(dashboard),
            *records.routes(dashboard),
            *login.routes(dashboard),
            *sessions.routes(dashboard),
            *dashboard.extension.routes,
            *api.routes(dashboard),
            *prometheus.routes(dashboard),
            Route("/live", stream),
            Route("/static/{name}", _static),
        ],
        lifespan=lifespan,
        exception_handlers={
            HTTPException: refused,
            RunnerError: refused,
            RedisError: away,
            OSError: away,
            Exception: broken,
        },
    )
    app = inner if look_again is None else _LookingFirst(inner, look_again, dashboard.queues)
    return Guard(app, dashboard.authenticator, hosts)


class _LookingFirst:
    """
    Looks which queues there are, before a page is made; that one says so if Redis is away.

    Of several servers one may be away: a page that needs that one says so within a second.
    """

    def __init__(
        self, app: ASGIApp, look: Callable[[], Awaitable[None]], queues: Sequence[str]
    ) -> None:
        self._app = app
        self._look = look
        self._queues = queues

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            with suppress(RedisError, OSError):
                await self._look()
            away: Sequence[Away] = getattr(self._queues, "away", ())
            if away and scope["path"] != "/live":
                await self._in_time(away, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _in_time(
        self, away: Sequence[Away], scope: Scope, receive: Receive, send: Send
    ) -> None:
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(_WITH_ONE_AWAY_S):
                await self._app(scope, receive, sending)
        except TimeoutError:
            if has_begun:
                raise
            reason = "\n".join(map(str, away))
            await PlainTextResponse(reason, status_code=503)(scope, receive, send)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kind = STATIC.get(name)
    if kind is None:
        raise HTTPException(404, "there is no such file")
    return Response(content(name), media_type=kind, headers={"Cache-Control": _FOR_A_DAY})


def _problem(dashboard: Dashboard, request: Request, status: int, reason: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": reason}, status_code=status)
    return dashboard.render(request, "problem.html.j2", status=status, code=status, reason=reason)
