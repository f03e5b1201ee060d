"""
A thread that watches the event loop from outside: only it can tell that the loop is blocked.

A coroutine that computes, or waits for a file, without giving the loop back stops everything in
its worker, heartbeats too. The watchdog names it, with the stack that it stands in. Past a limit,
which lies before the leases end, the worker is given up: its other jobs go back to the queue, and
the process exits for its supervisor to start anew.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger("runner.watchdog")

_STACK_FRAMES = 12


class Watchdog:
    """
    Watches one event loop, from `start` to `stop`.

    warn_s: a loop that has not answered for so long is reported, once for each blockage.
    limit_s: past it `on_limit(task)` is called, once, in the watchdog's own thread, with the task
        that holds the loop, if it can be told.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        warn_s: float,
        limit_s: float,
        on_limit: Callable[[asyncio.Task[object] | None], None],
    ) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._warn_s = warn_s
        self._limit_s = limit_s
        self._on_limit = on_limit
        self._answered = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.longest_s = 0.0
        """The longest blockage so far, in seconds, of those that were reported."""

    def start(self) -> None:
        """Begin to watch. Called in the loop's own thread."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._answered.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._warn_s / 2):
            asked = time.monotonic()
            self._answered.clear()
            try:
                self._loop.call_soon_threadsafe(self._answered.set)
            except RuntimeError:
                return  # the loop is closed
            if not self._answered.wait(self._warn_s):
                self._blocked_since(asked)

    def _blocked_since(self, asked: float) -> None:
        task = self._task()
        _log.warning(
            "event loop blocked",
            blocked_s=round(time.monotonic() - asked, 1),
            task=None if task is None else task.get_name(),
            stack=self._stack(),
        )
        if not self._answered.wait(max(0.0, self._limit_s - self._warn_s)):
            blocked_s = round(time.monotonic() - asked, 1)
            _log.error("event loop blocked past the limit", blocked_s=blocked_s)
            self._on_limit(self._task())
            self._answered.wait()
        self.longest_s = max(self.longest_s, time.monotonic() - asked)
        _log.info("event loop free again", blocked_s=round(time.monotonic() - asked, 1))

    def _task(self) -> asyncio.Task[object] | None:
        return asyncio.current_task(self._loop)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 -- documented, and the only way
        if frame is None:
            return ""
        return "".join(traceback.format_stack(frame)[-_STACK_FRAMES:])
