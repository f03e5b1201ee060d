"""A few places for work, given in turn to those who wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """
    So many places at a time. Who has many waiting gets no more of them than who has few.

    Of one name, who came first goes first; the names take turns. So a queue with three jobs is
    not held up by another with thirty.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        # In the order in which the names come next.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, name: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block."""
        await self._take(name)
        try:
            yield
        finally:
            self._hand_on()

    async def _take(self, name: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # It may have come in the same moment.
            if turn.done() and not turn.cancelled():
                self._hand_on()
            raise

    def _hand_on(self) -> None:
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
