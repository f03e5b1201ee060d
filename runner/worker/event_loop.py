"""The event loop that workers run on: uvloop where it is installed, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import FrameType


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


class CutOffError(Exception):
    """What a block did was cut off by an event or a signal."""


@asynccontextmanager
async def cut_off_by(event: asyncio.Event, *, again_every_s: float) -> AsyncIterator[None]:
    """
    Cancel the block in its own task when *event* is set, and again if it goes on for so long.

    Raises:
        CutOffError: The block ended by that.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 -- a coroutine runs in one
    cancelled = 0

    async def watch() -> None:
        nonlocal cancelled
        await event.wait()
        while True:
            cancelled += 1
            task.cancel()
            await asyncio.sleep(again_every_s)

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        watching.cancel()
        for _ in range(cancelled):
            task.uncancel()
        if cancelled and not task.cancelling():
            raise CutOffError from None
        raise
    finally:
        watching.cancel()
    for _ in range(cancelled):
        task.uncancel()


@contextmanager
def cut_off_by_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """
    Call *on_signal* at SIGINT or SIGTERM, and end the block by an exception though it blocks.

    The loop's own handlers cannot run meanwhile. In the main thread only.

    Raises:
        CutOffError: There was a signal.
    """

    def stop(number: int, _: FrameType | None) -> None:
        on_signal(signal.Signals(number))
        raise CutOffError

    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
