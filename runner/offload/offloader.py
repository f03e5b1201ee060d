"""
CPU-bound work in processes of its own: the event loop stays free, and a cancellation is final.

Each process is a plain interpreter (`offload_process.py`) in a session of its own: Ctrl-C in a
terminal does not reach it, and ending it ends what it has started. It ends by itself when its
worker is gone. What has ended its call is used again, for as long as there is work for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from runner.errors import OffloadError
from runner.offload.fair_turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_log = structlog.get_logger("runner.offload")

_PROGRAM = str(Path(__file__).with_name("process.py"))
_HEAD = struct.Struct("!?Q")
_IDLE_S = 300.0
_END_WITHIN_S = 5.0


class Offloader:
    """
    Runs functions in processes, at most *limit* at a time (by default one for each core).

    The function, its arguments and its result travel by pickle between processes of this
    machine, so the function must be importable: no lambda, no closure. idle_s: how long a
    process without work is kept.
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
        on_behalf_of: str = "",
        **kwargs: Any,
    ) -> T:
        """
        What `function(*args, **kwargs)` returns; what it raises is raised, its traceback as a note.

        If the caller is cancelled, or *timeout_s* seconds pass (the wait for a free process
        included), the process and what it has started are killed; it is gone when this raises.
        Where calls wait for a process, those on behalf of different queues take turns.

        Raises:
            OffloadError: The call cannot be sent, its result cannot be sent back, or its process
                died.
            TimeoutError: It did not return in time.
        """
        request = _request(function, args, kwargs)
        async with asyncio.timeout(timeout_s), self._turns.place(on_behalf_of):
            failed, answer = await self._ask(request)
        found = _unpack(answer)
        if failed:
            raise found
        return found  # type: ignore[no-any-return]  # it is what `function` gave

    async def _ask(self, request: bytes, told: asyncio.Event | None = None) -> tuple[bool, bytes]:
        """Hand *request* to a process, which sets *told*, and wait for its answer."""
        process = self._take_idle() or await _Process.start()
        try:
            process.send(request)
            if told is not None:
                told.set()
            failed, answer = await process.answer()
        except BaseException:
            await process.end()
            raise
        self._keep(process)
        return failed, answer

    async def warm(self, function: Callable[[], object]) -> None:
        """
        Start all processes now, and call *function* in each: it imports what calls will need.

        Returns when they were told so, and does not wait for them: the caller may go on to block
        the loop, with imports of its own. A call that comes meanwhile waits as it would for work.
        """
        request = _request(function, (), {})
        everybody = [asyncio.Event() for _ in range(self._limit)]
        for told in everybody:
            task = asyncio.ensure_future(self._warm(request, told))
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)
        for told in everybody:
            await told.wait()

    async def _warm(self, request: bytes, told: asyncio.Event) -> None:
        try:
            async with self._turns.place(""):
                failed, answer = await self._ask(request, told)
            problem = _unpack(answer) if failed else None
        except Exception as error:  # noqa: BLE001 -- whatever it is fails anew where it is needed
            problem = error
        finally:
            told.set()
        if problem is not None:
            _log.debug("process is not warm", error=f"{type(problem).__name__}: {problem}")

    async def close(self) -> None:
        """End the processes that have no work; whoever waits for one that has, ends that."""
        for task in list(self._warming):
            task.cancel()
        if self._warming:
            await asyncio.wait(self._warming)
        idle, self._idle = self._idle, []
        await asyncio.gather(*(process.end() for process in idle))

    def _take_idle(self) -> _Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.wake():
                return process
        return None

    def _keep(self, process: _Process) -> None:
        self._idle.append(process)
        process.rest(self._idle_s, self._forget)

    def _forget(self, process: _Process) -> None:
        if process in self._idle:
            self._idle.remove(process)


class _Process:
    """One process, from its start to its end; it does one call at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 -- it was asked for
        assert process.stdout is not None  # noqa: S101 -- likewise
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._rest: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls) -> _Process:
        """A process that can import what can be imported here."""
        process = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # or the modules beside the program would stand before Python's own
                _PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        )
        process.send(pickle.dumps(sys.path))
        return process

    def send(self, frame: bytes) -> None:
        """Hand *frame* over; what the pipe does not take at once travels while `answer` waits."""
        self._requests.write(_HEAD.pack(False, len(frame)))  # noqa: FBT003 -- a field of the head
        self._requests.write(frame)

    async def answer(self) -> tuple[bool, bytes]:
        """Whether the call that was sent failed, and what it gave or raised."""
        try:
            await self._requests.drain()
            failed, length = _HEAD.unpack(await self._answers.readexactly(_HEAD.size))
            return failed, await self._answers.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            status = await self._process.wait()
            raise OffloadError(f"the process died {_in_words(status)}") from None

    def rest(self, idle_s: float, forget: Callable[[_Process], None]) -> None:
        """Wait for more work, but not for longer than *idle_s*."""

        def end() -> None:
            forget(self)
            self._ending = asyncio.ensure_future(self.end())

        self._rest = asyncio.get_running_loop().call_later(idle_s, end)

    def wake(self) -> bool:
        """Whether it is there to work again."""
        if self._rest is not None:
            self._rest.cancel()
        return self._process.returncode is None

    async def end(self) -> None:
        """Kill it and what it has started; it is gone afterwards."""
        if self._rest is not None:
            self._rest.cancel()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._requests.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_WITHIN_S):
                await self._process.wait()


def _request(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise OffloadError(f"{name} stands in the program's own script: move it into a module")
    try:
        return pickle.dumps((function, args, kwargs), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise OffloadError(f"the call of {name} cannot be pickled: {error}") from error


def _unpack(answer: bytes) -> Any:
    try:
        return pickle.loads(answer)  # noqa: S301 -- from a process of our own
    except Exception as error:
        raise OffloadError(f"what the call gave cannot be unpickled: {error}") from error


def _in_words(status: int) -> str:
    if status >= 0:
        return f"with exit status {status}"
    return f"by {signal.Signals(-status).name}" + (
        ": out of memory, perhaps" if status == -signal.SIGKILL else ""
    )
