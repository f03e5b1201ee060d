"""A limited number of places, given fairly to the names that wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """
    Hands out *places*; names with many waiting calls get no more than names with few.

    Calls of one name go in order; the names take turns. So a queue with thirty jobs does not hold
    up one with three.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        # Its order is the order in which the names get their next turn.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, name: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block."""
        await self._acquire(name)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, name: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The place may have been granted at the same moment.
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        while self._waiting:
            name, line = next(iter(self._waiting.items()))
            del self._waiting[name]
            turn = line.popleft()
            if line:
                self._waiting[name] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
