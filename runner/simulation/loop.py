"""
The event loop of one simulated process.

Each simulated process has a loop of its own, and the world runs one turn of one loop at a time. So
a crash is a loop that is never run again: no `finally` runs, as in a process that was killed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    Connect = Callable[[Callable[[], asyncio.Protocol]], Coroutine[Any, Any, tuple[Any, Any]]]


class ProcessCrashed(BaseException):
    """The simulated process has ended in the middle of a turn."""


class ProcessLoop(asyncio.BaseEventLoop):
    """
    A loop in virtual time, without sockets, threads and signals.

    now: the world's time in seconds. connect: opens a connection through the simulated network.
    """

    _is_over = True  # until it begins: asyncio asks as it makes the loop

    def __init__(self, now: Callable[[], float], connect: Connect) -> None:
        super().__init__()
        self._is_over = False
        self._now = now
        self._connect = connect
        self._numbers = itertools.count(1)
        self._ready: Any
        self._scheduled: list[Any]
        self.turns_left: int | None = None
        """Callbacks that the process runs before it crashes; None: it does not crash."""
        self.callbacks = 0
        """Callbacks run so far."""
        self.failures: list[dict[str, Any]] = []
        """What no task has caught."""
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    # ------------------------------------------------------------------ for the world

    def next_timer(self) -> float | None:
        """Return when the next timer is due, if there is one."""
        timers = self._scheduled
        while timers and timers[0]._cancelled:  # noqa: SLF001 -- asyncio's own loops do the same
            heapq.heappop(timers)._scheduled = False  # noqa: SLF001
        return timers[0]._when if timers else None  # noqa: SLF001

    def is_due(self) -> bool:
        """Whether something is to be run now."""
        if self._ready:
            return True
        timer = self.next_timer()
        return timer is not None and timer <= self._now()

    def turn(self) -> None:
        """
        Run what is ready now, once, as asyncio's own loops do.

        Raises:
            ProcessCrashed: The last callback of the process has run.
        """
        now = self._now()
        while (timer := self.next_timer()) is not None and timer <= now:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False  # noqa: SLF001 -- as asyncio's own loops
            self._ready.append(handle)
        ready = self._ready
        events._set_running_loop(self)  # noqa: SLF001 -- as asyncio's own loops
        try:
            for _ in range(len(ready)):
                handle = ready.popleft()
                if handle._cancelled:  # noqa: SLF001
                    continue
                handle._run()  # noqa: SLF001
                self.callbacks += 1
                if self.turns_left is not None:
                    self.turns_left -= 1
                    if self.turns_left <= 0:
                        raise ProcessCrashed
        finally:
            events._set_running_loop(None)  # noqa: SLF001

    # ------------------------------------------------------------------ for asyncio

    def time(self) -> float:
        """Return the world's time."""
        return self._now()

    def is_running(self) -> bool:
        """Whether the loop runs: to its tasks it always does."""
        return not self._is_over

    def end(self) -> None:
        """Close the loop for good: whatever is left in it never runs."""
        self._is_over = True
        self.close()

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future whose place in a set does not depend on its address."""
        return _Future(next(self._numbers), self)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,
        *,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        return _Task(next(self._numbers), coroutine, loop, context, options)

    async def create_connection(self, protocol_factory: Any, *_args: Any, **_options: Any) -> Any:
        """Connect to the simulated Redis, whatever the address."""
        return await self._connect(protocol_factory)

    async def create_unix_connection(
        self, protocol_factory: Any, *_args: Any, **_options: Any
    ) -> Any:
        """Connect to the simulated Redis, whatever the path."""
        return await self._connect(protocol_factory)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # it always raises
        """
        Refuse: there are no threads here.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a simulated process has no threads")

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there are no sockets."""

    def _write_to_self(self) -> None:
        """Do nothing: the world looks by itself."""


class _Future(asyncio.Future[Any]):
    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._number = number

    def __hash__(self) -> int:
        return self._number


class _Task(asyncio.Task[Any]):
    def __init__(
        self,
        number: int,
        coroutine: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
        options: dict[str, Any],
    ) -> None:
        # Before the rest: asyncio puts the task into a set as it creates it.
        self._number = number
        super().__init__(coroutine, loop=loop, context=context, **options)

    def __hash__(self) -> int:
        return self._number
