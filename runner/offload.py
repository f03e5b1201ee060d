"""
CPU-bound work in processes of its own: the event loop stays free, and a cancellation is final.

anyio keeps the processes, reuses idle ones, and kills the one whose caller is cancelled.
"""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter, to_process

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Offloader:
    """
    Runs functions in processes, at most *limit* at a time (by default one for each core).

    The function, its arguments and its result travel by pickle between processes of this
    machine, so the function must be importable: no lambda, no closure.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit or os.cpu_count() or 1
        self._limiter: CapacityLimiter | None = None

    async def run(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout_s: float | None = None,
        **kwargs: Any,
    ) -> T:
        """
        What `function(*args, **kwargs)` returns.

        If the caller is cancelled, or *timeout_s* seconds pass, the process is killed.

        Raises:
            TimeoutError: It did not return in time.
        """
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._limit)
        call = functools.partial(function, *args, **kwargs)
        async with asyncio.timeout(timeout_s):
            return await to_process.run_sync(call, cancellable=True, limiter=self._limiter)
