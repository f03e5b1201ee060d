"""
The event loop of one simulated process.

Each simulated process has a loop of its own, and the world runs one turn of one loop at a time. So
a crash is a loop that is never run again: no `finally` runs, as in a process that was killed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from asyncio import events
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    Connect = Callable[[Callable[[], asyncio.Protocol]], Coroutine[Any, Any, tuple[Any, Any]]]


_Arguments = TypeVarTuple("_Arguments")


class ProcessCrashed(BaseException):
    """The simulated process has ended in the middle of a turn."""


class Clock(Protocol):
    """What has the time. now: seconds since the world began."""

    now: float


class ProcessLoop(asyncio.BaseEventLoop):
    """
    A loop in virtual time, without sockets, threads and signals.

    clock: has the world's time. connect: opens a connection through the simulated network. wake:
    called with the time at which the loop has something to run, now or later.
    """

    _is_over = True  # until it begins: asyncio asks as it makes the loop

    def __init__(self, clock: Clock, connect: Connect, wake: Callable[[float], None]) -> None:
        super().__init__()
        self._is_over = False
        self._clock = clock
        self._connect = connect
        self._wake = wake
        self.numbers = itertools.count(1)
        """For tasks and futures whose place in a set must not depend on their address."""
        self._timers_made = itertools.count()
        self._ready: Any
        self._timers: list[tuple[float, int, _Timer]] = []
        self._rings_at = math.inf
        """When the world looks at the timers next."""
        self.turns_left: int | None = None
        """Callbacks that the process runs before it crashes; None: it does not crash."""
        self.callbacks = 0
        """Callbacks run so far."""
        self.failures: list[dict[str, Any]] = []
        """What no task has caught."""
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    # ------------------------------------------------------------------ for the world

    def _next_timer(self) -> float:
        """Return when the next timer is due; infinity if there is none."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # noqa: SLF001 -- asyncio's own loops do the same
            heapq.heappop(timers)
        return timers[0][0] if timers else math.inf

    def look(self) -> None:
        """Ask for a turn if something is to be run now; note when the next timer is due."""
        self._rings_at = math.inf
        self._ask_for_turns()

    def _ask_for_turns(self) -> None:
        if self._ready:
            self._wake(self._clock.now)
        at = self._next_timer()
        if at < self._rings_at:
            self._rings_at = at
            self._wake(at)

    def turn(self) -> None:
        """
        Run what is ready now, once, as asyncio's own loops do.

        Raises:
            ProcessCrashed: The last callback of the process has run.
        """
        now, timers, ready = self._clock.now, self._timers, self._ready
        if self._rings_at <= now:
            self._rings_at = math.inf
        while self._next_timer() <= now:
            ready.append(heapq.heappop(timers)[2])
        events._set_running_loop(self)  # noqa: SLF001 -- as asyncio's own loops
        try:
            for _ in range(len(ready)):
                handle = ready.popleft()
                if handle._cancelled:  # noqa: SLF001
                    continue
                try:
                    handle._context.run(handle._callback, *handle._args)  # noqa: SLF001
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 -- as asyncio's own loops
                    self.failures.append({"message": repr(handle), "exception": error})
                self.callbacks += 1
                if self.turns_left is not None:
                    self.turns_left -= 1
                    if self.turns_left <= 0:
                        raise ProcessCrashed
        finally:
            events._set_running_loop(None)  # noqa: SLF001
        self._ask_for_turns()

    # ------------------------------------------------------------------ for asyncio

    def time(self) -> float:
        """Return the world's time."""
        return self._clock.now

    def call_soon(
        self,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run *callback* in the next turn."""
        if self._is_over:
            raise RuntimeError("Event loop is closed")
        handle = _Handle(callback, args, self, context)
        if not self._ready:
            self._wake(self._clock.now)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run *callback* at the time *when*."""
        if self._is_over:
            raise RuntimeError("Event loop is closed")
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._timers_made), timer))
        if when < self._rings_at:
            self._rings_at = when
            self._wake(when)
        return timer

    def is_running(self) -> bool:
        """Whether the loop runs: to its tasks it always does."""
        return not self._is_over

    def end(self) -> None:
        """Close the loop for good: whatever is left in it never runs."""
        self._is_over = True
        self.close()

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future whose place in a set does not depend on its address."""
        return _Future(loop=self)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,
        *,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        return _Task(coroutine, loop=loop, context=context, **options)

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


class _Handle(asyncio.Handle):
    """A callback that waits for its turn; it does without what asyncio notes to debug itself."""

    __slots__ = ()

    def __init__(
        self, callback: Any, args: Any, loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """A callback that waits for its time; likewise."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Any,
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None
        self._when = when
        self._scheduled = False


class _Future(asyncio.Future[Any]):
    _number = 0

    def __hash__(self) -> int:
        if not self._number:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]  # its loop is a process's
        return self._number


class _Task(asyncio.Task[Any]):
    _number = 0

    def __hash__(self) -> int:
        if not self._number:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]  # its loop is a process's
        return self._number
