"""How tests wait: until something is so, and never for ever."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_S = 30.0
"""How long a test waits for what is sure to happen: a loaded machine may take its time."""


async def eventually(
    ask: Callable[[], Any], *, within_s: float = PATIENCE_S, every_s: float = 0.005
) -> Any:
    """Call *ask*, plain or async, until its answer is true, and return that answer."""
    async with asyncio.timeout(within_s):
        while True:
            answer = ask()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(every_s)


async def soon(waiting: Awaitable[Any]) -> Any:
    """Return what *waiting* returns; fail the test if it takes too long."""
    async with asyncio.timeout(PATIENCE_S):
        return await waiting
