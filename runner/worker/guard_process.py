"""
The process side of `guard.py`: it watches one worker process, and ends it once it is silent.

A held interpreter runs no Python code, so nothing inside it can help. This process
1. reads the worker's signs of life, empty lines, and its limit, a line of JSON;
2. counts the silence, but only while it runs itself and the worker is not stopped (Ctrl-Z);
3. past the limit sends SIGABRT, at which `faulthandler` writes the worker's stacks to the same
   line and the worker dies, and SIGKILL if that is not enough;
4. logs what it did, with the stacks, in the worker's own log format.

It runs as a script, and imports what it logs with when it has something to log.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

QUIT = b"quit"
"""Written before the worker closes its line in good order."""

_TICKS = 10
_ABORT_WITHIN_S = 3.0
_LOG_WITHIN_S = 10
_KEPT_BYTES = 100_000
_SHOWN_FRAMES = 20
_OPTIONS = b'{"limit_s": '
_FATAL = b"Fatal Python error: "
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\S+) in (?P<function>.*)')
_RUNNER = str(Path(__file__).parents[1])
_EXECUTES = str(Path(__file__).with_name("execute.py"))


class Silence:
    """
    For how long a process has given no sign of life: `seconds`.

    Only time in which the watcher itself ran counts: after it was stopped or its machine slept,
    the process gets its whole time again to show that it lives.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._counted_until = time.monotonic()

    def ends(self) -> None:
        """Note a sign of life."""
        self.seconds = 0.0
        self._counted_until = time.monotonic()

    def goes_on(self, tick_s: float, *, counts: bool = True) -> None:
        """Note that there was none; called every *tick_s*, and no later if the watcher runs."""
        now = time.monotonic()
        if counts:
            self.seconds += min(now - self._counted_until, 2 * tick_s)
        self._counted_until = now


def main(descriptor: int, options: dict[str, Any]) -> None:
    """Watch the parent process until it ends or quits."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Sent to every process of a service. This one ends with its worker.
        signal.signal(number, signal.SIG_IGN)
    watch = _Watch(socket.socket(fileno=descriptor), options)
    silent_s = watch.until_silent()
    if silent_s is not None:
        watch.end_worker()
        _log(options, "worker process silent past the limit, ended", watch, silent_s=silent_s)
    elif watch.has_crashed:
        _log(options, "worker process crashed", watch)


class _Watch:
    def __init__(self, line: socket.socket, options: dict[str, Any]) -> None:
        self._line = line
        self._options = options
        self._rest = b""
        self._is_closed = False
        self._has_quit = False
        self._dump = b""
        self.pid = os.getppid()

    @property
    def _limit_s(self) -> float:
        limit_s: float = self._options["limit_s"]
        return limit_s

    @property
    def _is_alive(self) -> bool:
        # An orphan gets another parent; a process id alone may belong to another process by now.
        return os.getppid() == self.pid

    @property
    def has_crashed(self) -> bool:
        """Whether the worker left its stacks, and did not quit."""
        return _FATAL in self._dump and not self._has_quit

    @property
    def dump(self) -> str:
        """The last stacks that the worker wrote."""
        _, found, text = self._dump.rpartition(_FATAL)
        return text.decode(errors="replace") if found else ""

    def until_silent(self) -> float | None:
        """Return how long the worker was silent, once that is too long; None: it is gone."""
        silence = Silence()
        while self._is_alive and not self._is_closed:
            tick_s = self._limit_s / _TICKS
            if self._hears(tick_s):
                silence.ends()
            else:
                is_long = silence.seconds > self._limit_s / 2
                silence.goes_on(tick_s, counts=not (is_long and _is_stopped(self.pid)))
            if silence.seconds > self._limit_s:
                return round(silence.seconds, 1)
        self._read_rest()
        return None

    def end_worker(self) -> None:
        """Let the worker write its stacks and die."""
        self._dump = b""
        self._send(signal.SIGABRT)
        until = time.monotonic() + _ABORT_WITHIN_S
        while self._is_alive and not self._is_closed and time.monotonic() < until:
            self._hears(0.05)
        if self._is_alive and not self._is_closed:
            self._send(signal.SIGKILL)
        self._read_rest()

    def _send(self, number: signal.Signals) -> None:
        # It may end of itself at this moment.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _read_rest(self) -> None:
        while self._hears(0.0):
            pass
        self._read(self._rest)

    def _hears(self, within_s: float) -> bool:
        """Read what comes within this time; return whether anything has."""
        if self._is_closed or not select.select([self._line], [], [], within_s)[0]:
            return False
        try:
            data = self._line.recv(65_536)
        except OSError:
            data = b""
        self._is_closed = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._read(line)
        return bool(data)

    def _read(self, line: bytes) -> None:
        if line == QUIT:
            self._has_quit = True
        elif line.startswith(_OPTIONS):
            self._options |= json.loads(line)
        else:
            self._dump = (self._dump + line + b"\n")[-_KEPT_BYTES:]


def _is_stopped(pid: int) -> bool:
    """Whether somebody has stopped the process, by SIGSTOP, Ctrl-Z or a debugger."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        command = ["ps", "-o", "state=", "-p", str(pid)]
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 -- macOS
    return state[:1] in {"T", "t"}


def shorten(dump: str) -> tuple[str, str]:
    """
    Return the function that the job's coroutine stood in, and the stacks that `faulthandler` wrote.

    Of the thread that runs jobs, what runs them is left out; the function is empty if there is no
    job in any thread.
    """
    function = ""
    shown: list[str] = []
    for part in dump.split("\n\n"):
        lines = part.splitlines()
        frames = [_FRAME.fullmatch(line) for line in lines]
        at = next((n for n, f in enumerate(frames) if f and f["file"] == _EXECUTES), None)
        while at and (frame := frames[at]) and frame["file"].startswith(_RUNNER):
            at -= 1
        if at and (frame := frames[at]):
            function = f"{frame['function']} ({Path(frame['file']).name}:{frame['line']})"
            lines = lines[: at + 1]
        elif (at := next((n for n, f in enumerate(frames) if f and _is_loop(f["file"])), 0)) > 1:
            lines = lines[:at]
        if not part.startswith("Extension modules"):
            shown.append("\n".join(lines[: _SHOWN_FRAMES + 1]))
    return function, "\n\n".join(shown).strip()


def _is_loop(file: str) -> bool:
    return Path(file).parts[-2:] == ("asyncio", "events.py")


def _log(options: dict[str, Any], event: str, watch: _Watch, **fields: Any) -> None:
    """Write one line to standard error, as the worker does."""
    # A reader that reads no more, which may be what stopped the worker, must not keep this process.
    signal.alarm(_LOG_WITHIN_S)
    function, stack = shorten(watch.dump)
    fields |= {"pid": watch.pid, "function": function, "stack": stack}
    sys.path[:] = options["path"]
    import structlog

    from runner.telemetry.logs import configure_logging

    configure_logging(options["log_format"])
    structlog.get_logger("runner.guard").critical(
        event, **{name: value for name, value in fields.items() if value}
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
