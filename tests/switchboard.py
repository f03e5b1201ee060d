"""How a test gets reports from processes that it has started, and notices that they have ended."""

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
    """In a process: its connection to the test, which also notices when the process ends."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self.report(str(os.getpid()))

    def report(self, words: str) -> None:
        """Send *words*; they arrive even if this process is killed right after."""
        self._socket.sendall(words.encode() + b"\n")


class Switchboard:
    """In a test: receives the reports of all processes."""

    def __init__(self) -> None:
        self.port = 0
        self.history: list[tuple[str, int]] = []
        """All reports, and the id of the process, in the order of arrival."""
        self._unread: deque[tuple[str, int]] = deque()
        self._news = asyncio.Condition()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def received(self, words: str, *, of: int | None = None) -> int:
        """Return the id of the process that reports *words*, now or next; `GONE`: it has ended."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._news:
                while (found := self._find(words, of)) is None:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"no process reported {words!r}; unread: {list(self._unread)}"
            ) from None
        return found

    def has_received(self, words: str) -> bool:
        """Whether a process has reported *words* and the test has not read it."""
        return any(found == words for found, _ in self._unread)

    def _find(self, words: str, of: int | None) -> int | None:
        for entry in self._unread:
            if entry[0] == words and of in {None, entry[1]}:
                self._unread.remove(entry)
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
            self._unread.append((words, pid))
            self._news.notify_all()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Switchboard]:
        """Accept processes while inside."""
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
