"""Where a test hears from processes that it has started: what they say, and that they are gone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 20.0
"""How long a test waits for what is sure to come; a loaded machine may take its time."""

GONE = "gone"


class Line:
    """In a process: its line to the test. The test learns that the process has ended, however."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self.say(str(os.getpid()))

    def say(self, words: str) -> None:
        """Tell the test *words*; it has them even if this process is killed right after."""
        self._socket.sendall(words.encode() + b"\n")


class Switchboard:
    """In a test: hears all lines."""

    def __init__(self) -> None:
        self.port = 0
        self.history: list[tuple[str, int]] = []
        """All that was said, and by which process, in the order in which it came in."""
        self._unheard: deque[tuple[str, int]] = deque()
        self._news = asyncio.Condition()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def hear(self, words: str, *, of: int | None = None) -> int:
        """The id of the process that says *words* next, or has said so unheard; `GONE`: ended."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                while (found := self._find(words, of)) is None:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"nobody says {words!r}; unheard: {list(self._unheard)}") from None
        return found

    def has_said(self, words: str) -> bool:
        """Whether a process has said *words* and nobody has heard it so far."""
        return any(said == words for said, _ in self._unheard)

    def _find(self, words: str, of: int | None) -> int | None:
        for entry in self._unheard:
            if entry[0] == words and of in {None, entry[1]}:
                self._unheard.remove(entry)
                return entry[1]
        return None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        pid = 0
        try:
            with suppress(ConnectionError):
                pid = int(await reader.readline())
                while words := await reader.readline():
                    await self._note(words.decode().rstrip("\n"), pid)
            await self._note(GONE, pid)
        finally:
            del self._open[writer]
            writer.close()

    async def _note(self, words: str, pid: int) -> None:
        async with self._news:
            self.history.append((words, pid))
            self._unheard.append((words, pid))
            self._news.notify_all()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Switchboard]:
        """Take calls while inside."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            left = [task for task in self._open.values() if task is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
