"""A TCP connection between a worker and Redis that a test can cut, or make one-way."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK = 65_536


class Cable:
    """
    Passes bytes on between whoever connects to `url` and the server behind it.

    `cut` ends all connections and refuses new ones. While `deaf`, questions arrive at the server
    and its answers are thrown away; `mute` keeps the questions back as well. slow_s: how much
    later all bytes arrive.
    """

    def __init__(self, host: str, port: int, login: str = "") -> None:
        self._behind = (host, port)
        self._login = login
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._intact = True
        self._talks = asyncio.Event()
        self._talks.set()
        self.port = 0
        self.deaf = False
        self.slow_s = 0.0
        self.connections = 0
        """How many were made so far."""

    @property
    def url(self) -> str:
        """The URL of Redis through this cable."""
        return f"redis://{self._login}127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """End every connection, and refuse new ones until `mend`."""
        self._intact = False
        self.end_connections()

    def mend(self) -> None:
        """Pass on again."""
        self._intact = True
        self.deaf = False
        self._talks.set()

    def mute(self) -> None:
        """Hold back all bytes, in both directions, until `mend`; connections stay open."""
        self._talks.clear()

    def lead_to(self, port: int) -> None:
        """End every connection; new ones lead to another server of the same host."""
        self._behind = (self._behind[0], port)
        self.end_connections()

    def end_connections(self) -> None:
        """End every connection; accept new ones."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._intact:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self._open.add(writer)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._behind)
            self._open.add(far_writer)
            there = asyncio.create_task(self._pass(reader, far_writer, answers=False))
            back = asyncio.create_task(self._pass(far_reader, writer, answers=True))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            far_writer.transport.abort()
            self._open.discard(far_writer)
        writer.transport.abort()
        self._open.discard(writer)
        self._passing.discard(task)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._talks.wait()
                if self.slow_s:
                    await asyncio.sleep(self.slow_s)
                if answers and self.deaf:
                    continue
                writer.write(data)
                await writer.drain()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Cable]:
        """Open the cable for the block."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            self.cut()
            self._talks.set()
            await asyncio.gather(*self._passing, return_exceptions=True)
            await self._server.wait_closed()


def cable_to(url: str) -> Cable:
    """Return a cable to the Redis at *url*; `async with` its `laid()` opens it."""
    parts = urlsplit(url)
    login = "".join(parts.netloc.rpartition("@")[:2])
    return Cable(parts.hostname or "127.0.0.1", parts.port or 6379, login)
