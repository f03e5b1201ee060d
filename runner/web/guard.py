"""
What every request passes before a page sees it, as plain ASGI.

1. The answer carries a Content-Security-Policy with a nonce of its own, and is not cached.
2. The Host header must name this server, or another site could reach it through a name of its own.
3. A request that changes something must not come from another site: neither `Sec-Fetch-Site` nor
   `Origin` may say so.
4. Somebody must be logged in, except for the login page, styles and the script; whoever may only
   look changes nothing.
5. A body is read whole, up to a limit, which is low as long as nobody is logged in.
6. A form must carry the token of its session. Only a valid bearer token makes up for that: no form
   of another site can send one.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from redis.exceptions import RedisError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from runner.broker.outage import no_answer
from runner.errors import UnreadableError
from runner.web.body import check_form, form_field, read_again, read_body
from runner.web.guesses import TooManyGuessesError
from runner.web.hosts import Hosts, foreign
from runner.web.static_files import STATIC

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runner.web.authenticator import Authenticator, Visitor

_log = structlog.get_logger("runner.web")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/login", *(f"/static/{name}" for name in STATIC)})
_MACHINES = ("/api/", "/metrics")
_FOR_VIEWERS = frozenset({"/login", "/logout", "/sessions/revoke"})
"""Also whoever may only look sends these; the pages see to it that it is about themselves."""

_LONGEST_BODY = 1_000_000
_LONGEST_LOGIN = 16_384


class Guard:
    """
    Lets a request through to the application, or refuses it.

    hosts: names that the server answers to: `*.example.com` is all below it, `*` is any name.

    Raises:
        ConfigurationError: A name in *hosts* is none.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator, hosts: Collection[str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._hosts = Hosts(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a web socket: no page has one
            await send({"type": "websocket.close", "code": 1008})
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        respond = _with_headers(send, nonce, scope["state"])
        request = Request(scope, receive)
        try:
            answer = await self._refusal(request)
        except HTTPException as error:
            answer = _refused(request, error.detail, status=error.status_code)
        except TooManyGuessesError as error:
            headers = {"Retry-After": f"{error.wait_s:.0f}"}
            answer = _refused(request, str(error), status=429, headers=headers)
        except (RedisError, OSError) as error:
            _log.warning("Redis does not answer the pages", error=str(error))
            answer = _refused(request, no_answer(error), status=503)
        except UnreadableError as error:
            _log.warning("nobody comes in", error=str(error))
            answer = _refused(request, str(error), status=503)
        except ClientDisconnect:
            return
        await (answer or self._app)(scope, request.receive, respond)

    async def _refusal(self, request: Request) -> Response | None:
        """Why the request is not let through; None if it is. Its state then has the visitor."""
        if problem := self._hosts.problem(request):
            return _refused(request, problem, status=400)
        if not request.scope["query_string"].isascii():
            return _refused(
                request, "the query of the address has bytes that are not encoded", status=400
            )
        changes = request.method not in _SAFE
        if changes and (problem := foreign(request, self._authenticator.settings.peers)):
            return _refused(request, problem)
        # What a page fetches by itself does not keep its session alive.
        is_use = request.headers.get("sec-fetch-dest") != "empty"
        visitor = await self._authenticator.visitor(request, is_use=is_use)
        if visitor is not None:
            request.state.visitor = visitor
            return await _wrong_change(request, visitor) if changes else None
        if request.scope["path"] not in _OPEN_PATHS:
            has_login = self._authenticator.settings.has_login
            return _login_first(request, has_login=has_login)
        if changes:
            await _read(request, _LONGEST_LOGIN)
        return None


async def _wrong_change(request: Request, visitor: Visitor) -> Response | None:
    """Why *visitor* may not change this; None if they may."""
    path = request.scope["path"]
    if not visitor.may_operate and path not in _FOR_VIEWERS:
        return _refused(request, f"{visitor.name} may look, and change nothing")
    body = await _read(request, _LONGEST_BODY)
    # Whoever logs in proves more than a token would.
    if visitor.by_token or path == "/login" or _carries_token(request, body, visitor):
        return None
    return _refused(request, "the form belongs to another session: reload the page and try again")


async def _read(request: Request, most: int) -> bytes:
    body = await read_body(request, most)
    if not request.scope["path"].startswith(_MACHINES):
        check_form(request, body)
    request._receive = read_again(body, request.receive)  # noqa: SLF001 -- the page reads it, too
    return body


def _carries_token(request: Request, body: bytes, visitor: Visitor) -> bool:
    given = request.headers.get("x-csrf-token")
    if given is None:
        given = form_field(body, "csrf")
    return hmac.compare_digest(given.encode(), visitor.csrf.encode())


def _login_first(request: Request, *, has_login: bool) -> Response:
    if request.scope["path"].startswith(_MACHINES) or not has_login:
        headers = {"WWW-Authenticate": "Bearer"}
        return _refused(request, "log in, or send a token", status=401, headers=headers)
    here = request.scope["path"] + (f"?{request.url.query}" if request.url.query else "")
    onward = f"?next={quote(here)}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/login{onward}", status_code=303)


def _refused(
    request: Request, reason: str, *, status: int = 403, headers: dict[str, str] | None = None
) -> Response:
    if request.scope["path"].startswith(_MACHINES):
        return JSONResponse({"error": reason}, status_code=status, headers=headers)
    return PlainTextResponse(f"{reason}\n", status_code=status, headers=headers)


def _with_headers(send: Send, nonce: str, state: dict[str, Any]) -> Send:
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )

    async def respond(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", policy)
            headers.setdefault("Cache-Control", "private, no-store")
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "DENY"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            visitor: Visitor | None = state.get("visitor")
            if visitor is not None and visitor.set_cookie:
                headers.append("Set-Cookie", visitor.set_cookie)
        await send(message)

    return respond
