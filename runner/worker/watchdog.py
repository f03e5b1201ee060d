"""
A thread that watches the event loop from outside: a blocked loop cannot report itself.

A coroutine that computes, or waits for a file, without giving the loop back stops everything in
its process, heartbeats included. The watchdog logs which job that is, and its stack. Past a limit,
well before the leases end, it gives the workers of the loop up: all their other jobs go back to
the queue, and the process exits, for its supervisor to start another.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
import weakref
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

_log = structlog.get_logger("runner.watchdog")

EXIT_BLOCKED = 70
"""Exit status of a process whose event loop was blocked past the limit."""

_STACK_ENDS = 20
"""Frames shown at each end of a long stack."""

_RUNNER = str(Path(__file__).parents[1])
_STARTS_JOBS = str(Path(__file__).with_name("slots.py"))
_ASYNCIO = str(Path(asyncio.__file__).parent)


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """
    What one worker asks of the watchdog; both functions are called in the watchdog's thread.

    warn_s: log a loop that has not answered for this long, once for each blockage. limit_s: end the
    process after this long. describe: what to log about the task that blocks the loop. give_up:
    gives back what the worker holds, except that task's job; returns how many jobs.
    """

    warn_s: float
    limit_s: float
    describe: Callable[[asyncio.Task[object] | None], Mapping[str, str]]
    give_up: Callable[[asyncio.Task[object] | None], int]


@contextmanager
def watching(loop: asyncio.AbstractEventLoop, watched: Watched) -> Iterator[None]:
    """Watch *loop* for a worker while inside; called in its thread. A loop has one watchdog."""
    watchdog = _by_loop.get(loop)
    if watchdog is None:
        watchdog = _by_loop[loop] = Watchdog(loop)
    watchdog.add(watched)
    try:
        yield
    finally:
        if watchdog.remove(watched):
            del _by_loop[loop]


class Watchdog:
    """
    Watches one event loop for all the workers in it, from the first `add` to the last `remove`.

    end: ends the process with the given exit status.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, end: Callable[[int], object] = os._exit
    ) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._end = end
        self._watched: tuple[Watched, ...] = ()
        self._answered = threading.Event()
        self._stopped = threading.Event()

    def add(self, watched: Watched) -> None:
        """Watch for one more worker."""
        self._watched = (*self._watched, watched)
        if len(self._watched) == 1:
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def remove(self, watched: Watched) -> bool:
        """Stop watching for this worker; return whether it was the last."""
        self._watched = tuple(one for one in self._watched if one is not watched)
        if self._watched:
            return False
        self._stopped.set()
        self._answered.set()
        return True

    def _watch(self) -> None:
        while watched := self._watched:
            warn_s = min(one.warn_s for one in watched)
            if self._stopped.wait(warn_s / 2):
                return
            asked = time.monotonic()
            self._answered.clear()
            try:
                self._loop.call_soon_threadsafe(self._answered.set)
            except RuntimeError:
                return  # the loop is closed
            if not self._answered.wait(warn_s):
                limit_s = min(one.limit_s for one in watched)
                self._blocked_since(asked, max(0.0, limit_s - warn_s))

    def _blocked_since(self, asked: float, more_s: float) -> None:
        task = self._task()
        known: dict[str, str] = {}
        for watched in self._watched:
            known.update(watched.describe(task))
        _log.warning("event loop blocked", blocked_s=_since(asked), **known, stack=self._stack())
        # Counted from now: a process that was stopped by SIGSTOP has lost time it did not use.
        if not self._answered.wait(more_s) and self._watched:
            self._give_up(asked)
            self._answered.wait()
        if not self._stopped.is_set():
            _log.info("event loop free again", blocked_s=_since(asked))

    def _give_up(self, asked: float) -> None:
        task = self._task()
        given_back = 0
        for watched in self._watched:
            try:
                given_back += watched.give_up(task)
            except Exception as error:  # noqa: BLE001 -- the others' jobs are to go back all the same
                _log.error(
                    "jobs cannot be given back, their leases will lapse",
                    error=f"{type(error).__name__}: {error}",
                )
        _log.critical(
            "event loop blocked past the limit, the process ends",
            blocked_s=_since(asked),
            given_back=given_back,
            exit_status=EXIT_BLOCKED,
        )
        self._end(EXIT_BLOCKED)

    def _task(self) -> asyncio.Task[object] | None:
        return asyncio.current_task(self._loop)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 -- documented, and the only way
        return "" if frame is None else format_stack(frame)


def format_stack(frame: FrameType) -> str:
    """Return the stack that ends in *frame* as text: from the job on, without what runs it."""
    stack = traceback.extract_stack(frame)
    files = [entry.filename for entry in stack]
    start = _after_last(files, (_STARTS_JOBS,))
    if start:
        while start < len(files) and files[start].startswith(_RUNNER):
            start += 1
    else:
        start = _after_last(files, (_ASYNCIO,))
    lines = traceback.StackSummary.from_list(stack[start:] or stack).format()
    if len(lines) > 2 * _STACK_ENDS:
        lines[_STACK_ENDS:-_STACK_ENDS] = [f"  ({len(lines) - 2 * _STACK_ENDS} frames)\n"]
    return "".join(lines)


def _after_last(files: list[str], starts: tuple[str, ...]) -> int:
    return max((at + 1 for at, name in enumerate(files) if name.startswith(starts)), default=0)


def _since(asked: float) -> float:
    return round(time.monotonic() - asked, 1)


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Watchdog] = (
    weakref.WeakKeyDictionary()
)
