"""Cancel attempts that exceed their job's timeout, or else their worker's."""

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
    Cancels an attempt after the job's `timeout_s`, or after *default_s* if the job has none.

    It does so at the job's deadline, if that comes first. default_s: seconds; None means no limit.

    All attempts of a worker share one timer, set to the earliest deadline. Nearly every attempt
    ends long before its deadline, and a timer each would cost more than a short job.
    """

    def __init__(self, default_s: float | None = None) -> None:
        self._default_s = default_s
        self._numbers = itertools.count()
        self._running: dict[int, tuple[float, asyncio.Task[Any]]] = {}
        """By number: when to cancel the attempt, in the loop's time, and its task."""
        self._timed_out: set[int] = set()
        """Numbers of attempts that were cancelled here but have not ended yet."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """
        Run the attempt.

        If the coroutine swallows its cancellation, its result counts when it ends.

        Raises:
            TimeoutError: The limit passed. The job's own TimeoutError is raised unchanged.
        """
        own_s = ctx.job.options_of_worker.timeout_s
        limit_s = self._default_s if own_s is None else own_s
        left_s = ctx.time_left_s
        if left_s is not None and (limit_s is None or left_s < limit_s):
            limit_s = left_s
        else:
            left_s = None
        if limit_s is None:
            return await call_next(ctx)
        loop = asyncio.get_running_loop()
        # The worker has stored the task, which is faster than asking for it on Python 3.11.
        task = asyncio.current_task(loop) if ctx.board is None else ctx.board.task
        assert task is not None  # noqa: S101 -- this runs in it
        number = next(self._numbers)
        cancelling = task.cancelling()
        cancel_at = loop.time() + limit_s
        self._running[number] = (cancel_at, task)
        if cancel_at < self._timer_at:
            self._set_timer(loop, cancel_at)
        try:
            return await call_next(ctx)
        except asyncio.CancelledError as error:
            # As in `asyncio.timeout`: the task may also have been cancelled from elsewhere.
            if number not in self._timed_out or task.uncancel() > cancelling:
                raise
            whose = "its worker's timeout" if own_s is None else "its own timeout"
            if left_s is not None:
                whose = "when its deadline passed"
            # The cancellation is the cause: its traceback shows where the job was hanging.
            raise TimeoutError(
                f"{ctx.job_name} did not end within {limit_s:g} s, {whose}"
            ) from error
        finally:
            if self._running.pop(number, None) is None:
                self._timed_out.discard(number)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, cancel_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(cancel_at, self._sweep, loop)
        self._timer_at = cancel_at

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the attempts past their deadline, and set the timer for the next one."""
        self._timer, self._timer_at = None, math.inf
        now = loop.time()
        for number in [
            number for number, (cancel_at, _) in self._running.items() if cancel_at <= now
        ]:
            _, task = self._running.pop(number)
            self._timed_out.add(number)
            task.cancel()
        if self._running:
            self._set_timer(loop, min(cancel_at for cancel_at, _ in self._running.values()))
