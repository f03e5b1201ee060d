"""The event loop that workers run on: uvloop where it is installed, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop, for `asyncio.Runner(loop_factory=new_event_loop)`."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextmanager
def loop_for_arq(*, needed: bool) -> Iterator[None]:
    """
    A loop for arq's worker to find while it is made; it asks for one, and would leave it open.

    needed: the worker goes on to use it, because it was given a pool that belongs to a loop.
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
