"""No attempt takes longer than its job, or else its worker, allows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.context import Context
    from runner.middleware import Handler


@dataclass(slots=True, eq=False)
class _Deadline:
    """When a running attempt is to be cancelled, in the loop's time."""

    task: asyncio.Task[Any]
    at: float
    cancelling: int
    passed: bool = False


class Timeout:
    """
    Cancels an attempt after the job's `timeout_s`, or *default_s* if the job names none.

    default_s: seconds; None means no limit.

    All attempts of a worker share one timer, set to the earliest deadline: nearly every attempt is
    over long before its own, and a timer for each would cost more than a short job does.
    """

    def __init__(self, default_s: float | None = None) -> None:
        self._default_s = default_s
        self._running: set[_Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """
        Run the attempt.

        A coroutine that swallows its cancellation is waited for all the same: its result counts.

        Raises:
            TimeoutError: The limit passed. A TimeoutError of the job's own is left as it is.
        """
        own_s = ctx.job.options_of_worker.timeout_s
        limit_s = self._default_s if own_s is None else own_s
        task = asyncio.current_task()
        if limit_s is None or task is None:
            return await call_next(ctx)
        loop = asyncio.get_running_loop()
        deadline = _Deadline(task, loop.time() + limit_s, task.cancelling())
        self._running.add(deadline)
        if self._timer is None or deadline.at < self._timer.when():
            self._set_timer(loop, deadline.at)
        try:
            return await call_next(ctx)
        except asyncio.CancelledError as error:
            # As in `asyncio.timeout`: somebody else may have cancelled the task as well.
            if not deadline.passed or task.uncancel() > deadline.cancelling:
                raise
            whose = "its worker's" if own_s is None else "its own"
            # The cause is the cancellation: its traceback shows where the job was hanging.
            raise TimeoutError(
                f"{ctx.job_name} did not end within {limit_s:g} s, {whose} timeout"
            ) from error
        finally:
            self._running.discard(deadline)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel what is past its deadline, and wait for the next one."""
        self._timer = None
        now = loop.time()
        waiting = []
        for deadline in self._running:
            if deadline.passed:
                continue
            if deadline.at <= now:
                deadline.passed = True
                deadline.task.cancel()
            else:
                waiting.append(deadline.at)
        if waiting:
            self._set_timer(loop, min(waiting))
