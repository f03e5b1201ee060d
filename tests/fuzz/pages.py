"""The pages with all that guards them, and the Redis where their sessions and guesses are."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import structlog
from redis import Redis

from runner import connect
from runner.broker import keys
from runner.operations.catalog import Catalog
from runner.operations.verbs import Role
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live
from runner.web.login import LoginSettings
from runner.web.peers import Peers
from tests.redis_server import RedisServer
from tests.visit import HASH, OPERATE, PASSWORD, SECRET, USERS, VIEW

if TYPE_CHECKING:
    from starlette.types import Message

TOKEN: Final = "A" * 43
"""Of the session that the third part of an input writes into Redis."""

_CREDENTIALS: Final = (PASSWORD, OPERATE, VIEW)
_OPEN: Final = ("/login", "/static/")
_REFUSED: Final = frozenset({303, 307, 400, 401, 403, 404, 405, 413, 415, 429, 503})
_ANSWERS_WITHIN_S = 20


class Pages:
    """Serves requests in its own event loop, against a Redis of its own."""

    def __init__(self) -> None:
        self._server = RedisServer()
        self._server.start()
        atexit.register(self._server.close)
        structlog.configure(processors=[_say_nothing])
        self.redis = Redis.from_url(self._server.url)
        names = keys.of(self.redis)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        self.session = f"{names.session_prefix}{digest}".encode()
        self.guesses = names.guesses_prefix.encode()
        self._loop = asyncio.Runner()
        self._app = self._loop.run(self._open())

    async def _open(self) -> Any:
        redis = await connect(self._server.url)
        login = LoginSettings(
            users=USERS,
            tokens={OPERATE: Role.OPERATE, VIEW: Role.VIEW},
            peers=Peers.read("127.0.0.1 10.0.0.0/8"),
        )
        dashboard = Dashboard(
            redis=redis,
            queues=("default",),
            catalog=Catalog.of(()),
            schedule=(),
            login=login,
            live=Live(redis, ("default",)),
            secret=SECRET,
        )
        dashboard.authenticator._decoy = HASH  # a real one takes a tenth of a second
        return dashboard_app(dashboard, hosts=("localhost", "*.example.org", "::1"))

    def visit(self, scope: dict[str, Any], body: bytes, session: bytes) -> tuple[int, bytes]:
        """Return the status and `Set-Cookie` of the answer; *session* lies at that of `TOKEN`."""
        self.redis.flushdb()
        if session:
            self.redis.set(self.session, session)
        return self._loop.run(self._visit(scope, body))

    async def _visit(self, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
        sent = [{"type": "http.request", "body": body, "more_body": False}]
        status, cookies = 0, b""

        async def receive() -> Message:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status, cookies
            if message["type"] == "http.response.start":
                status = message["status"]
                cookies = b"\n".join(
                    value for name, value in message["headers"] if name == b"set-cookie"
                )

        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            await self._app(scope, receive, send)
        return status, cookies


@cache
def pages() -> Pages:
    """Return the pages of this process."""
    return Pages()


def visit(scope: dict[str, Any], body: bytes, session: bytes) -> None:
    """No request is a server error; without a credential nobody comes in, or leaves a trace."""
    opened = pages()
    status, cookies = opened.visit(scope, body, session)
    assert 200 <= status < 500 or status == 503, status
    sent = unquote_plus(f"{scope['headers']} {body.decode('latin-1')}")
    if any(one in sent for one in _CREDENTIALS):
        return
    assert status in _REFUSED or scope["path"].startswith(_OPEN), (status, scope["path"])
    assert b"pipeline_session=" not in cookies or b"Max-Age=0" in cookies, cookies
    left: Any = opened.redis.keys()
    assert all(key == opened.session or key.startswith(opened.guesses) for key in left), left


def _say_nothing(*_: Any) -> Any:
    raise structlog.DropEvent
