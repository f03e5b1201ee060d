"""Serve an application over HTTP in this loop, with limits on what a client may hold open."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from runner.errors import ConfigurationError
from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from runner.processes.http_connection import ConnectionLimits

_PORTS = 65_536
_IDLE_S = 5


@asynccontextmanager
async def serve_http(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    what: str = "health pages",
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[str]:
    """
    Serve *app* in this loop during the block; yield its address, such as `http://host:80`.

    Port 0 takes a free port. *what* names the app in error messages. Signals are left to the
    caller.

    Raises:
        ConfigurationError: The port is in use or not allowed, *host* is not an address of this
            machine, or uvicorn is not installed.
    """
    with extra("web", f"serving {what}"):
        import uvicorn

        from runner.processes.http_connection import ConnectionLimits, bounded
    limits = limits or ConnectionLimits()
    listener = _listen(host, port, what)
    config = uvicorn.Config(
        app,
        http=bounded(limits),
        # An upgraded connection would leave those limits behind.
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=min(_IDLE_S, math.ceil(limits.request_s)),
        # The pages decide themselves which proxies to trust.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # Not serve(): it would take SIGINT and SIGTERM away from the worker in this process.
    serving = asyncio.create_task(server._serve([listener]), name="http")  # noqa: SLF001
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        listener.close()


def _listen(host: str, port: int, what: str) -> socket.socket:
    """Bind the socket here: if the port is in use, uvicorn would log it and exit the process."""
    where = f"{what} on {host}:{port}"
    if port not in range(_PORTS):
        raise ConfigurationError(f"{where}: no such port; choose one from 0 to {_PORTS - 1}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"{where}: the port is in use; choose another, or stop what listens there"
            ) from None
        reason = str(error.strerror).partition(" (while attempting")[0]
        raise ConfigurationError(f"{where}: {reason}; choose another address") from None
    # asyncio sets it only on sockets that name their protocol, which these do not; without it an
    # answer's body waits 40 ms for its headers to be acknowledged. What is accepted inherits it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
