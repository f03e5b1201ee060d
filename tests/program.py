"""A program that a test runs: its log lines, its signals, its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.switchboard import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ROOT = Path(__file__).parent.parent


class Program:
    """One process; JSON lines that it and its children write to standard error are its log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.log: list[dict[str, Any]] = []
        self.other: list[str] = []
        """Lines that are no JSON, such as a traceback."""
        self._news = asyncio.Condition()

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """Return the first line of the log with this event and these fields, now or later."""
        wanted = {"event": event, **fields}
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for line in self.log:
                    if wanted.items() <= line.items():
                        return line
                await self._news.wait()

    def has_logged(self, event: str) -> bool:
        """Whether the log has a line with this event."""
        return any(line["event"] == event for line in self.log)

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end, and return the exit status; negative: the signal."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    async def read(self) -> None:
        """Read the log to its end."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            # Shown with a test that fails.
            sys.stdout.write(line.decode())
            async with self._news:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.other.append(line.decode())
                self._news.notify_all()


@asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[Program]:
    """Run *command* for the block; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, stderr=asyncio.subprocess.PIPE, limit=2**20, **options
    )
    program = Program(process)
    reading = asyncio.create_task(program.read())
    try:
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        process._transport.close()  # type: ignore[attr-defined]  # children may hold its pipe open
