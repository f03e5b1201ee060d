"""
How a process ends that a command owns: in time, though threads of its jobs may still run.

A job that waits in `asyncio.to_thread` is cancelled and given back in time, but its thread cannot
be. Python waits for such threads before it exits, as long as they take. A library must leave it at
that; a command must not.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runner.clock import monotonic
from runner.lazy_log import lazy_log

_log = lazy_log("runner.exit")

_THREADS_WITHIN_S = 5.0
_EXIT_FUNCTIONS_WITHIN_S = 15.0
_MACHINERY = {"threading.py", "thread.py", "threads.py"}


class _Unjoined(ThreadPoolExecutor):
    """A loop's own executor, whose threads `end_in_time` waits for, and not the loop."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 -- the base's signature
        """Take no more calls."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def leave_threads_to_exit() -> None:
    """Let the running loop close though `asyncio.to_thread` still runs; call `end_in_time`, too."""
    asyncio.get_running_loop().set_default_executor(_Unjoined(thread_name_prefix="asyncio"))


def end_in_time(status: int, *, within_s: float = _THREADS_WITHIN_S) -> None:
    """
    Exit now as always, but at the latest *within_s* seconds from here, whatever threads still run.

    The exit status is then *status*. Exit functions run in either case.
    """
    if _lingering():
        args = (status, within_s)
        threading.Thread(target=_end, args=args, name="end in time", daemon=True).start()


def _end(status: int, within_s: float) -> None:
    deadline = monotonic() + within_s
    # Idle threads of executors end as soon as the main thread begins to exit.
    for thread in _lingering():
        thread.join(max(0.0, deadline - monotonic()))
    if left := _lingering():
        _log.error(
            "threads still run, the process ends without them",
            threads=[_describe(thread) for thread in left],
            exit_status=status,
        )
        last = threading.Thread(target=atexit._run_exitfuncs, daemon=True)  # noqa: SLF001 -- the only way to run them
        last.start()
        last.join(_EXIT_FUNCTIONS_WITHIN_S)
        sys.stdout.flush()
        os._exit(status)


def _lingering() -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]


def _describe(thread: threading.Thread) -> str:
    """Return the thread's name, and the function that it was started with."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 -- documented, and the only way
    for entry in traceback.extract_stack(frame) if frame else ():
        if (file := Path(entry.filename)).name not in _MACHINERY:
            return f"{thread.name}: {entry.name} ({file.name}:{entry.lineno})"
    return thread.name
