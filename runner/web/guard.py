"""
What every request passes before a page sees it, as plain ASGI.

1. The Host header must name this server: another site cannot reach it by a name of its own.
2. Somebody must be let in, but for the login page, styles and the script.
3. What changes something must come from our own pages: `Sec-Fetch-Site`, or else `Origin`, says
   so, and the form carries the session's token. A token's bearer is no browser, and needs neither.
4. The answer carries a Content-Security-Policy with a nonce of its own, and is not cached.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from runner.web.login import COOKIE, SESSION_S, Visitor, new_csrf

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runner.web.login import Authenticator

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/login", "/static/style.css", "/static/page.js", "/static/icon.svg"})
_MACHINES = ("/api/", "/metrics")
_LONGEST_FORM = 1_000_000


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, hosts: Collection[str]) -> None:
        self._app = app
        self._authenticator = authenticator
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        request = Request(scope, receive)
        visitor = self._authenticator.visitor(request)
        refusal = self._refusal(request, visitor)
        fresh = None
        if refusal is None and visitor is not None:
            if not visitor.csrf and "authorization" not in request.headers:
                visitor = fresh = Visitor(visitor.name, visitor.role, new_csrf())
            scope["state"]["visitor"] = visitor
            # Who logs in may have no session yet: that page looks itself where a form comes from.
            if request.method not in _SAFE and request.url.path != "/login":
                refusal = await self._forgery(request, visitor)
        respond = _with_headers(send, nonce, self._cookie(fresh, request))
        await (refusal or self._app)(scope, request.receive, respond)

    def _refusal(self, request: Request, visitor: Visitor | None) -> Response | None:
        host = request.headers.get("host", "").lower()
        name = (urlsplit(f"//{host}").hostname or "") if host else ""
        if "*" not in self._hosts and name not in self._hosts:
            return PlainTextResponse(
                f"this server is not called {name[:100]!r}: add the name to WEB__ALLOWED_HOSTS\n",
                status_code=400,
            )
        if visitor is None and request.url.path not in _OPEN_PATHS:
            return _login_first(request, has_login=self._authenticator.settings.has_login)
        if visitor and not visitor.may_operate and request.method not in _SAFE:
            if request.url.path == "/logout":
                return None
            return _refused(request, f"{visitor.name} may look, and change nothing")
        return None

    async def _forgery(self, request: Request, visitor: Visitor) -> Response | None:
        if not visitor.csrf:  # a token's bearer
            return None
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        host = request.headers.get("host", "").lower()
        if site is not None and site != "same-origin":
            return _refused(request, "that came from another site")
        if site is None and origin is not None and urlsplit(origin).netloc.lower() != host:
            return _refused(request, "that came from another site")
        if int(request.headers.get("content-length") or 0) > _LONGEST_FORM:
            return PlainTextResponse("too long\n", status_code=413)
        given = request.headers.get("x-csrf-token")
        if given is None:
            body = await request.body()
            request._receive = _again(body)  # noqa: SLF001 -- the page reads the form once more
            given = str((await Request(request.scope, _again(body)).form()).get("csrf", ""))
        if not hmac.compare_digest(given.encode(), visitor.csrf.encode()):
            return _refused(request, "the form is of another session: reload the page, try again")
        return None

    def _cookie(self, visitor: Visitor | None, request: Request) -> str | None:
        if visitor is None:
            return None
        return cookie(
            self._authenticator.sealed(visitor), secure=self._authenticator.is_https(request)
        )


def cookie(value: str, *, secure: bool, lives_s: int = SESSION_S) -> str:
    """A session's cookie, out of reach of scripts and of other sites' forms."""
    return f"{COOKIE}={value}; Path=/; Max-Age={lives_s}; HttpOnly; SameSite=Strict" + (
        "; Secure" if secure else ""
    )


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _login_first(request: Request, *, has_login: bool) -> Response:
    if request.url.path.startswith(_MACHINES) or not has_login:
        headers = {"WWW-Authenticate": "Bearer"}
        return _refused(request, "who are you?", status=401, headers=headers)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    onward = f"?next={quote(here)}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/login{onward}", status_code=303)


def _refused(
    request: Request, reason: str, *, status: int = 403, headers: dict[str, str] | None = None
) -> Response:
    if request.url.path.startswith(_MACHINES):
        return JSONResponse({"error": reason}, status_code=status, headers=headers)
    return PlainTextResponse(f"{reason}\n", status_code=status, headers=headers)


def _with_headers(send: Send, nonce: str, session: str | None) -> Send:
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
            if session is not None:
                headers.append("Set-Cookie", session)
        await send(message)

    return respond
