"""A real HTTP server on this machine that answers as a test wants, badly too."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class LocalServer:
    """Answers each path with the bytes set for it; `None` means never."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | None] = {}
        self.requests: list[str] = []
        self.heads: list[str] = []
        self.requested = asyncio.Event()
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    def url(self, path: str) -> str:
        """Return the address of *path*."""
        return f"http://127.0.0.1:{self.port}{path}"

    def set(self, path: str, body: bytes = b"", status: str = "200 OK", headers: str = "") -> str:
        """Answer *path* with *body*, and return its address."""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        self.answers[path] = f"{head}{headers}\r\n".encode() + body
        return self.url(path)

    def hang(self, path: str) -> str:
        """Take the request for *path* and never answer it."""
        self.answers[path] = None
        return self.url(path)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1].decode()
            self.requests.append(path)
            self.heads.append(request.decode())
            self.requested.set()
            answer = self.answers.get(path, b"HTTP/1.1 500 Not Set\r\nContent-Length: 0\r\n\r\n")
            if answer is None:
                await reader.read()  # ends when the client goes away
            else:
                writer.write(answer)
                await writer.drain()
        await self._close(writer)

    async def stop(self) -> None:
        """Close what is still open."""
        for writer in list(self._open):
            await self._close(writer)

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def serving() -> AsyncIterator[LocalServer]:
    """Run a server on a free port of 127.0.0.1."""
    local = LocalServer()
    server = await asyncio.start_server(local.answer, "127.0.0.1", 0)
    local.port = server.sockets[0].getsockname()[1]
    async with server:
        yield local
        await local.stop()
