"""A real HTTP server on this machine that records requests and answers with a given status."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Posted:
    """One request: its headers, by lower-case name, and its body."""

    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """Answers everything with *status*, and *more* header lines; with None, never."""

    status: int | None
    requests: list[Posted] = field(default_factory=list)
    url: str = ""
    more: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
            headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in head)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append(Posted(headers, body))
            if self.status is None:
                await reader.read()  # ends when the client goes away
            else:
                close = "Content-Length: 0\r\nConnection: close"
                writer.write(f"HTTP/1.1 {self.status} So\r\n{self.more}{close}\r\n\r\n".encode())
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def answering(status: int | None = 200) -> AsyncIterator[WebServer]:
    """Run a server on a free port of 127.0.0.1."""
    web = WebServer(status)
    connections = asyncio.TaskGroup()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.create_task(web.answer(reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    web.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    # Closing a server does not wait for its connections, so the loop could end before them.
    async with connections, server:
        yield web
