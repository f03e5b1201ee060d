"""
A process beside each worker process, which ends it when even its watchdog cannot.

The watchdog is a thread: while a call holds the interpreter, such as a regular expression that
backtracks, it does not run. The guard (`guard_process.py`) is outside. Past the watchdog's limit
and a margin it logs the stacks of a silent worker, and ends it. The leases of its jobs lapse.

A program has at most one guard, and only where it owns the process: a command, not a library.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog

from runner.telemetry.logs import log_format
from runner.worker.guard_process import QUIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from types import TracebackType

_log = structlog.get_logger("runner.guard")

_PROGRAM = str(Path(__file__).with_name("guard_process.py"))
_BEATS = 5
_LONGEST_PAUSE_S = 0.5
_START_AGAIN_S = 1.0
_QUIT_WITHIN_S = 2.0
OPENING_LIMIT_S = 50.0


class Guard:
    """
    In the block, a process watches this one, and ends it by SIGABRT when its loop is silent.

    opening_limit_s: how long it may be silent until `limited_once`. margin_s: added to the limit
    given there, so that the watchdog, which gives jobs back, acts first where it can.
    """

    def __init__(self, *, opening_limit_s: float = OPENING_LIMIT_S, margin_s: float = 5.0) -> None:
        self._limit_s = opening_limit_s
        self._margin_s = margin_s
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._beating: asyncio.Task[None] | None = None
        self._was_enabled = faulthandler.is_enabled()

    async def __aenter__(self) -> Self:
        """Start the guard."""
        self._start()
        self._beating = asyncio.create_task(self._beat(), name="guard")
        return self

    @asynccontextmanager
    async def limited_once(
        self, is_ready: Coroutine[Any, Any, object], limit_s: float
    ) -> AsyncIterator[None]:
        """In the block, from *is_ready* on, watch with the watchdog's limit."""

        async def wait() -> None:
            await is_ready
            self._limit_s = limit_s + self._margin_s
            # How lines are written is known only now.
            self._send(json.dumps({"limit_s": self._limit_s, "log_format": log_format()}).encode())
            self._send(b"\n")

        waiting = asyncio.create_task(wait(), name="guard when ready")
        try:
            yield
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the guard."""
        assert self._beating is not None  # noqa: S101 -- entered
        self._beating.cancel()
        await asyncio.wait({self._beating})
        self._send(QUIT + b"\n")
        self._let_go()
        if self._process is None:
            return
        try:
            self._process.wait(_QUIT_WITHIN_S)  # it takes a millisecond
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        options = {"limit_s": self._limit_s, "path": sys.path, "log_format": log_format()}
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, our script
                [sys.executable, "-IS", _PROGRAM, str(theirs.fileno()), json.dumps(options)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Ctrl-C and Ctrl-Z in a terminal are for the worker.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self._process = None
            _log.warning("no guard can be started, a held interpreter stays", error=str(error))
            return
        finally:
            theirs.close()
        self._line = ours
        # At SIGABRT, and at a crash. It needs no interpreter, and does not wait for a full pipe.
        faulthandler.enable(ours.fileno(), all_threads=True)

    def _let_go(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            faulthandler.disable()
            if self._was_enabled:
                with contextlib.suppress(RuntimeError, ValueError, OSError):
                    faulthandler.enable()
            line.close()

    async def _beat(self) -> None:
        while True:
            if not self._send(b"\n"):
                await asyncio.sleep(_START_AGAIN_S)
                self._start()
            await asyncio.sleep(min(_LONGEST_PAUSE_S, self._limit_s / _BEATS))

    def _send(self, data: bytes) -> bool:
        """Return whether there is a guard that hears it."""
        if self._line is None:
            return False
        try:
            self._line.send(data)
        except BlockingIOError:
            return True  # the guard is stopped
        except OSError:
            self._let_go()
            if self._process is not None:
                _log.warning(
                    "the guard is gone, starting another", exit_status=self._process.poll()
                )
            return False
        return True
