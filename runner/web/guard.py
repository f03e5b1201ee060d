"""
What every request passes before a page sees it, as plain ASGI.

1. The Host header must name this server, or another site could reach it through a name of its own.
2. The session is read from its signed cookie.
3. Somebody must be logged in, except for the login page, styles and the script.
4. A change must come from our own pages: `Sec-Fetch-Site`, or else `Origin`, must say so, and the
   form must carry the session's token. A request with a bearer token comes from no browser, and
   needs neither.
5. The answer carries a Content-Security-Policy with a nonce of its own, and is not cached.
"""

from __future__ import annotations

import dataclasses
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from runner.errors import ConfigurationError
from runner.web.login import new_csrf

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runner.web.login import Authenticator, Visitor

_SESSION_S = 12 * 3600
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/login", "/static/style.css", "/static/page.js", "/static/icon.svg"})
_MACHINES = ("/api/", "/metrics")
_LONGEST_FORM = 1_000_000


def guarded(
    app: ASGIApp, authenticator: Authenticator, hosts: Collection[str], secret: str
) -> ASGIApp:
    """
    Wrap *app* in all that a request passes.

    hosts: names that the server answers to: `*.example.com` is all below it, `*` is any name.
    secret: signs the sessions.

    Raises:
        ConfigurationError: A name in *hosts* has a `*` elsewhere.
    """
    return TrustedHostMiddleware(
        Sessions(Guard(app, authenticator), authenticator, secret),
        allowed_hosts=_host_patterns(hosts),
        www_redirect=False,
    )


def _host_patterns(hosts: Collection[str]) -> Sequence[str]:
    for host in hosts:
        if host != "*" and "*" in host.removeprefix("*."):
            raise ConfigurationError(
                f"host {host}: write a whole name, *.example.com for all names below it, or *"
            )
    return [f"[{host}]" if ":" in host else host for host in hosts]


class Sessions:
    """Sessions in a signed cookie, for 12 hours; it is `Secure` if the browser came by TLS."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, secret: str) -> None:
        self._authenticator = authenticator
        self._plain, self._secure = (
            SessionMiddleware(
                app,
                secret,
                session_cookie="pipeline_session",
                max_age=_SESSION_S,
                same_site="strict",
                https_only=secure,
            )
            for secure in (False, True)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the session, and send the cookie if the session changes."""
        secure = scope["type"] == "http" and self._authenticator.is_https(Request(scope))
        await (self._secure if secure else self._plain)(scope, receive, send)


class Guard:
    """Lets a request through to the application, or refuses it."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        request = Request(scope, receive)
        visitor = self._authenticator.visitor(request)
        refusal = self._refusal(request, visitor)
        if refusal is None and visitor is not None:
            if not visitor.csrf and "authorization" not in request.headers:
                visitor = dataclasses.replace(visitor, csrf=new_csrf())
                scope["session"]["csrf"] = visitor.csrf
            scope["state"]["visitor"] = visitor
            # The login page checks by itself where a form comes from: there may be no session yet.
            if request.method not in _SAFE and request.url.path != "/login":
                refusal = await self._forgery(request, visitor)
        await (refusal or self._app)(scope, request.receive, _with_headers(send, nonce))

    def _refusal(self, request: Request, visitor: Visitor | None) -> Response | None:
        if visitor is None and request.url.path not in _OPEN_PATHS:
            return _login_first(request, has_login=self._authenticator.settings.has_login)
        if visitor and not visitor.may_operate and request.method not in _SAFE:
            if request.url.path == "/logout":
                return None
            return _refused(request, f"{visitor.name} may look, and change nothing")
        return None

    async def _forgery(self, request: Request, visitor: Visitor) -> Response | None:
        if not visitor.csrf:  # a request with a bearer token
            return None
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        host = request.headers.get("host", "").lower()
        if site is not None and site != "same-origin":
            return _refused(request, "this request came from another site")
        if site is None and origin is not None and urlsplit(origin).netloc.lower() != host:
            return _refused(request, "this request came from another site")
        if int(request.headers.get("content-length") or 0) > _LONGEST_FORM:
            return PlainTextResponse("the form is too long\n", status_code=413)
        given = request.headers.get("x-csrf-token")
        if given is None:
            body = await request.body()
            request._receive = _again(body)  # noqa: SLF001 -- the page reads the form once more
            given = str((await Request(request.scope, _again(body)).form()).get("csrf", ""))
        if not hmac.compare_digest(given.encode(), visitor.csrf.encode()):
            return _refused(
                request, "the form belongs to another session: reload the page and try again"
            )
        return None


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _login_first(request: Request, *, has_login: bool) -> Response:
    if request.url.path.startswith(_MACHINES) or not has_login:
        headers = {"WWW-Authenticate": "Bearer"}
        return _refused(request, "log in, or send a token", status=401, headers=headers)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    onward = f"?next={quote(here)}" if request.method == "GET" and here != "/" else ""
    return RedirectResponse(f"/login{onward}", status_code=303)


def _refused(
    request: Request, reason: str, *, status: int = 403, headers: dict[str, str] | None = None
) -> Response:
    if request.url.path.startswith(_MACHINES):
        return JSONResponse({"error": reason}, status_code=status, headers=headers)
    return PlainTextResponse(f"{reason}\n", status_code=status, headers=headers)


def _with_headers(send: Send, nonce: str) -> Send:
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
        await send(message)

    return respond
