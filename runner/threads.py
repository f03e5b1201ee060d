"""
Plain functions as jobs: each attempt runs in a thread, while the event loop goes on.

Nothing can end a thread but its own return. An attempt that is cancelled, since it timed out, was
aborted, or its worker stops, sets `ctx.is_stopping` and waits: what the function then returns or
raises counts. After the worker's `cancel_wait_s` the attempt is left behind, and its thread goes
on.

What a framework wants around each of its requests, such as connections to a database that are
closed afterwards, a middleware adds by `surrounded`: it is entered and left in the thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

R = TypeVar("R")

_MOST = 10_000
"""Never reached: a worker's slots are the limit. Threads that were left behind must not count."""

_around: ContextVar[tuple[Callable[[], AbstractContextManager[Any]], ...]] = ContextVar(
    "around", default=()
)


@contextmanager
def surrounded(enter: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Let each function that starts in this block run inside *enter()*, in its thread."""
    token = _around.set((*_around.get(), enter))
    try:
        yield
    finally:
        _around.reset(token)


class _Threads:
    """The threads of this process for jobs; made when the first is needed, and used again."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    @property
    def executor(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(_MOST, thread_name_prefix="job")
        return self._executor

    def forget(self) -> None:
        """This process was forked, without its parent's threads."""
        self._executor = None


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.forget)


def in_thread(function: Callable[..., R]) -> Callable[..., Coroutine[Any, Any, R]]:
    """Return a coroutine function that runs *function*, whose first parameter is its Context."""

    @functools.wraps(function)
    async def run(ctx: Any, *args: Any, **kwargs: Any) -> R:
        call = functools.partial(_call, function, ctx, *args, **kwargs)
        thread = _threads.executor.submit(contextvars.copy_context().run, call)
        ended = asyncio.wrap_future(thread)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            if ended.done() or thread.cancel():
                raise
            ctx.is_stopping = True
            await asyncio.wait({ended})
            return ended.result()

    return run


def _call(function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    try:
        with ExitStack() as stack:
            for enter in _around.get():
                stack.enter_context(enter())
            return function(*args, **kwargs)
    except StopIteration as error:
        # A future cannot carry it: whoever waits would wait for ever.
        raise RuntimeError(f"the job raised StopIteration: {error}") from error
