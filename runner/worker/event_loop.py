"""The event loop that workers run on: uvloop where it is installed, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

_CANCEL_AGAIN_S = 0.2


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop, for `asyncio.Runner(loop_factory=new_event_loop)`."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextmanager
def loop_for_arq(*, needed: bool) -> Iterator[None]:
    """
    Provide a loop while arq's worker is created: it asks for one, and would leave it open.

    needed: the worker will use that loop, since it was given a pool, which belongs to a loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if not needed:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                yield
            finally:
                asyncio.set_event_loop(None)
                loop.close()
            return
    yield


async def cancel_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel until it works: on Python 3.11, redis-py may swallow a cancellation as it finishes."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
