"""No attempt takes longer than its job, or else its worker, allows."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler


class Timeout:
    """
    Cancels an attempt after the job's `timeout_s`, or *default_s* if the job names none.

    default_s: seconds; None means no limit.

    All attempts of a worker share one timer, set to the earliest deadline: nearly every attempt is
    over long before its own, and a timer for each would cost more than a short job does.
    """

    def __init__(self, default_s: float | None = None) -> None:
        self._default_s = default_s
        self._numbers = itertools.count()
        self._running: dict[int, tuple[float, asyncio.Task[Any]]] = {}
        """By number: when an attempt is to be cancelled, in the loop's time, and its task."""
        self._passed: set[int] = set()
        """Numbers of attempts that were cancelled here, and have not ended yet."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """
        Run the attempt.

        A coroutine that swallows its cancellation is waited for all the same: its result counts.

        Raises:
            TimeoutError: The limit passed. A TimeoutError of the job's own is left as it is.
        """
        own_s = ctx.job.options_of_worker.timeout_s
        limit_s = self._default_s if own_s is None else own_s
        if limit_s is None:
            return await call_next(ctx)
        loop = asyncio.get_running_loop()
        # A worker has noted the task, which on Python 3.11 is faster than to ask for it.
        task = asyncio.current_task(loop) if ctx.board is None else ctx.board.task
        assert task is not None  # noqa: S101 -- this runs in it
        number = next(self._numbers)
        cancelling = task.cancelling()
        at = loop.time() + limit_s
        self._running[number] = (at, task)
        if at < self._timer_at:
            self._set_timer(loop, at)
        try:
            return await call_next(ctx)
        except asyncio.CancelledError as error:
            # As in `asyncio.timeout`: somebody else may have cancelled the task as well.
            if number not in self._passed or task.uncancel() > cancelling:
                raise
            whose = "its worker's" if own_s is None else "its own"
            # The cause is the cancellation: its traceback shows where the job was hanging.
            raise TimeoutError(
                f"{ctx.job_name} did not end within {limit_s:g} s, {whose} timeout"
            ) from error
        finally:
            if self._running.pop(number, None) is None:
                self._passed.discard(number)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._sweep, loop)
        self._timer_at = at

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is past its deadline, and wait for the next one."""
        self._timer, self._timer_at = None, math.inf
        now = loop.time()
        for number in [number for number, (at, _) in self._running.items() if at <= now]:
            _, task = self._running.pop(number)
            self._passed.add(number)
            task.cancel()
        if self._running:
            self._set_timer(loop, min(at for at, _ in self._running.values()))
