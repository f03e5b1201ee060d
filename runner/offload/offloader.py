"""
Run CPU-bound work in separate processes: the event loop stays free, and cancelling kills the work.

Each process is a plain interpreter (`process.py`) in its own session: Ctrl-C in a terminal does not
reach it, and killing it also kills what it has started. It exits by itself when its worker is gone.
A process that has finished its call is reused for the next one. Calls with limits have processes of
their own kind, without network (`confinement.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from runner.errors import OffloadDiedError, OffloadError
from runner.offload.answer import NoDataError, unpack
from runner.offload.fair_turns import Turns
from runner.offload.limits import MemoryWatch, resident_bytes
from runner.wording import size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from runner.offload.limits import Limits

T = TypeVar("T")

_log = structlog.get_logger("runner.offload")

_PROGRAM = str(Path(__file__).with_name("process.py"))
_REQUEST_HEAD = struct.Struct("!dQ")  # as in `process.py`
_ANSWER_HEAD = struct.Struct("!?Q")  # likewise
_IDLE_S = 300.0
_END_WITHIN_S = 5.0
_ANSWERS_SHARE = 4
"""An answer may have a quarter of the memory of its call: there it is held more than once."""

_READ_HERE_BYTES = 256 * 1024
"""Longer answers are read in a thread, so that the loop stays free."""


class Offloader:
    """
    Runs functions in processes, at most *limit* at a time (by default one per core).

    The function, its arguments and its result are pickled, so the function must be importable: no
    lambda, no closure. idle_s: how long a process without work is kept.
    """

    def __init__(self, limit: int | None = None, *, idle_s: float = _IDLE_S) -> None:
        self._limit = limit or os.cpu_count() or 1
        self._turns = Turns(self._limit)
        self._idle_s = idle_s
        self._idle: list[_Process] = []
        self._warming: set[asyncio.Task[None]] = set()

    async def run(
        self,
        function: Callable[..., T],
        /,
        *args: Any,
        timeout_s: float | None = None,
        limits: Limits | None = None,
        returns: Collection[type] = (),
        on_behalf_of: str = "",
        **kwargs: Any,
    ) -> T:
        """
        Return `function(*args, **kwargs)`; its exception is raised with its traceback as a note.

        With *limits* it has no network, and what passes a limit costs this call alone. Its result
        is data then, which may hold objects of the classes in *returns*, and of no other.

        If the caller is cancelled, or *timeout_s* seconds pass (including the wait for a free
        process), the process and what it has started are killed before this raises. Calls waiting
        for a process take turns by the queue in *on_behalf_of*.

        Raises:
            OffloadDiedError: Its process died, or passed one of *limits*; the message says why.
            OffloadError: The call or its result cannot be pickled, or its result is no such data.
            TimeoutError: It did not return in time.
        """
        request = _request(function, args, kwargs)
        async with asyncio.timeout(timeout_s), self._turns.place(on_behalf_of):
            failed, answer = await self._call(request, limits)
        if limits is None:
            result = _unpickled(answer)
        elif len(answer) < _READ_HERE_BYTES:
            result = _unpacked(answer, returns)
        else:
            result = await asyncio.to_thread(_unpacked, answer, returns)
        if failed:
            raise (
                result if isinstance(result, Exception) else OffloadError("it failed with no error")
            )
        return result  # type: ignore[no-any-return]  # it is what `function` returned

    async def _call(
        self, request: bytes, limits: Limits | None, sent: asyncio.Event | None = None
    ) -> tuple[bool, bytes]:
        """Send *request* to a process, set *sent*, and wait for the answer."""
        confined = limits is not None
        process = self._take_idle(confined=confined) or await _Process.start(confined=confined)
        try:
            process.send(request, 0.0 if limits is None else limits.cpu_s)
            if sent is not None:
                sent.set()
            failed, answer = await process.answer(limits)
        except BaseException:
            await process.end()
            raise
        if limits is None or process.has_room(limits):
            self._keep(process)
        else:
            await process.end()
        return failed, answer

    async def warm(self, function: Callable[[], object], limits: Limits | None = None) -> None:
        """
        Start all processes and call *function* in each, to import what later calls need.

        With *limits*, they are those for calls with limits.

        Returns once the requests are sent, without waiting for the results, so that the caller may
        block the loop with its own imports. A call that comes meanwhile waits for a free process.
        """
        request = _request(function, (), {})
        all_sent = [asyncio.Event() for _ in range(self._limit)]
        for sent in all_sent:
            task = asyncio.ensure_future(self._warm(request, limits, sent))
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)
        for sent in all_sent:
            await sent.wait()

    async def _warm(self, request: bytes, limits: Limits | None, sent: asyncio.Event) -> None:
        try:
            async with self._turns.place(""):
                failed, answer = await self._call(request, limits, sent)
            read = _unpickled if limits is None else partial(_unpacked, returns=())
            problem = read(answer) if failed else None
        except Exception as error:  # noqa: BLE001 -- the calls that need it will fail too
            problem = error
        finally:
            sent.set()
        if problem is not None:
            _log.debug("process is not warm", error=f"{type(problem).__name__}: {problem}")

    async def close(self) -> None:
        """Kill the idle processes; a busy one is killed when its caller is cancelled."""
        for task in list(self._warming):
            task.cancel()
        if self._warming:
            await asyncio.wait(self._warming)
        idle, self._idle = self._idle, []
        await asyncio.gather(*(process.end() for process in idle))

    def _take_idle(self, *, confined: bool) -> _Process | None:
        """The one that was used last has most of its memory at hand."""
        for process in reversed([one for one in self._idle if one.confined == confined]):
            self._idle.remove(process)
            if process.reuse():
                return process
        return None

    def _keep(self, process: _Process) -> None:
        self._idle.append(process)
        process.wait_idle(self._idle_s, self._forget)

    def _forget(self, process: _Process) -> None:
        if process in self._idle:
            self._idle.remove(process)


class _Process:
    """One process, which makes one call at a time. *confined*: it has no network."""

    def __init__(self, process: asyncio.subprocess.Process, *, confined: bool) -> None:
        self.confined = confined
        assert process.stdin is not None  # noqa: S101 -- it was asked for
        assert process.stdout is not None  # noqa: S101 -- likewise
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._idle_timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, *, confined: bool) -> _Process:
        """Start a process with this process's import path."""
        process = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # or the modules beside the script would shadow Python's own
                _PROGRAM,
                *(("confined",) if confined else ()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            ),
            confined=confined,
        )
        process.send(pickle.dumps(sys.path))
        return process

    def send(self, frame: bytes, cpu_s: float = 0.0) -> None:
        """Write *frame*; what the pipe does not take at once is sent while `answer` waits."""
        self._requests.write(_REQUEST_HEAD.pack(cpu_s, len(frame)))
        self._requests.write(frame)

    async def answer(self, limits: Limits | None) -> tuple[bool, bytes]:
        """Return whether the call failed, and its packed result or exception."""
        if limits is None:
            return await self._answer(_in_words, sys.maxsize)
        watch = MemoryWatch(self._process.pid, limits.memory_bytes, self._kill)

        def why(status: int) -> str:
            if status == -signal.SIGXCPU:
                return f"it took more than {limits.cpu_s:g} s of computing"
            return watch.found or _in_words(status)

        try:
            async with asyncio.timeout(limits.wall_s) as clock:
                with watch:
                    return await self._answer(why, limits.memory_bytes // _ANSWERS_SHARE)
        except TimeoutError:
            if not clock.expired():
                raise
            raise OffloadDiedError(f"it took more than {limits.wall_s:g} s") from None

    async def _answer(self, why: Callable[[int], str], most_bytes: int) -> tuple[bool, bytes]:
        try:
            await self._requests.drain()
            failed, length = _ANSWER_HEAD.unpack(await self._answers.readexactly(_ANSWER_HEAD.size))
            if length > most_bytes:
                raise OffloadDiedError(f"its result has more than {size(most_bytes)}")
            return failed, await self._answers.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            status = await self._process.wait()
            raise OffloadDiedError(why(status)) from None

    def has_room(self, limits: Limits) -> bool:
        """Whether what a call has left in memory leaves the next one half of what it may use."""
        return resident_bytes(self._process.pid) < limits.memory_bytes / 2

    def wait_idle(self, idle_s: float, forget: Callable[[_Process], None]) -> None:
        """Wait for more work, for at most *idle_s*."""

        def end() -> None:
            forget(self)
            self._ending = asyncio.ensure_future(self.end())

        self._idle_timer = asyncio.get_running_loop().call_later(idle_s, end)

    def reuse(self) -> bool:
        """Stop the idle timer; return whether the process is alive."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        return self._process.returncode is None

    async def end(self) -> None:
        """Kill the process and what it has started, and wait until it is gone."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._kill()
        self._requests.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_WITHIN_S):
                await self._process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)


def _request(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise OffloadError(f"{name} is defined in the program's own script: move it into a module")
    try:
        return pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise OffloadError(f"the call to {name} cannot be pickled: {error}") from error


def _unpickled(answer: bytes) -> Any:
    try:
        return pickle.loads(answer)  # noqa: S301 -- from a process that runs what is our own
    except Exception as error:
        raise OffloadError(f"the call's result cannot be unpickled: {error}") from error


def _unpacked(answer: bytes, returns: Collection[type]) -> Any:
    try:
        return unpack(answer, returns)
    except NoDataError as error:
        raise OffloadError(f"the call's result cannot be read: {error}") from None


def _in_words(status: int) -> str:
    if status >= 0:
        return f"the process died with exit status {status}"
    return f"the process died by {signal.Signals(-status).name}" + (
        ": it may have run out of memory" if status == -signal.SIGKILL else ""
    )
