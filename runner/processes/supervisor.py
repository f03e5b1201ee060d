"""
Keeps worker processes alive: `pipeline worker --processes N`.

The supervisor
1. starts N children, each the same command as a single worker;
2. restarts a child that died, after a pause that doubles with each early death;
3. replaces a child that exceeds the memory limit;
4. on SIGHUP replaces every child, one after the other, for new code or settings, and keeps the
   remaining old ones if a new one does not start;
5. kills a child that gives no sign of life, and starts another: the child's own guard
   (`runner/worker/guard.py`) has had the time to log what it does;
6. on SIGINT or SIGTERM stops them gracefully, on a second signal at once, and kills those that
   do not stop.

A replacement is ready before its predecessor is stopped, so capacity is never lost. Each child
holds one end of a socket. It shows on it that its event loop runs, and reports that it is ready.
When the supervisor dies, for whatever reason, the socket closes and the child stops gracefully.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import structlog

from runner.worker.guard_process import Silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from runner.processes.fleet import Fleet

_log = structlog.get_logger("runner.supervisor")

_LONGEST_PAUSE_S = 30.0
_LONG_LIFE_S = 60.0
_READY = b"R"
_ALIVE = b"."
_AT_ONCE = b"!"
_ALIVE_EVERY_S = 0.5
_LONGEST_TICK_S = 1.0


@dataclass(slots=True, eq=False)
class _Child:
    process: asyncio.subprocess.Process
    channel: socket.socket
    started: float = field(default_factory=time.monotonic)
    silence: Silence = field(default_factory=Silence)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    spare: bool = False
    """A successor that is not ready yet and does not count."""
    leaving: bool = False
    closed: bool = False
    """It has closed its line, and should end soon."""

    @property
    def state(self) -> str:
        """What the system says that it does, such as `running` or `stopped`."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.process.pid).status()
        return "gone"

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the child and its offload processes."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        return 0


class Supervisor:
    """
    Runs *processes* children of *command*, which gets `--supervised FD` appended.

    memory_limit_mb: MiB of resident memory above which a child is replaced; None for no limit.
    memory_check_s: how often the memory is checked.
    ready_within_s: how long a child may take to start before it counts as failed.
    stop_within_s: how long children may take to stop before they are killed; it must exceed their
        grace time.
    first_pause_s: the pause after a first early death; it doubles with each further one.
    silent_limit_s: how long a child that was ready may give no sign of life before it is killed;
        one that was not has *ready_within_s*. Time in which this process did not run is not
        counted.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        processes: int,
        memory_limit_mb: int | None = None,
        memory_check_s: float = 5.0,
        ready_within_s: float = 60.0,
        stop_within_s: float = 60.0,
        first_pause_s: float = 0.5,
        silent_limit_s: float = 30.0,
    ) -> None:
        self._command = command
        self._processes = processes
        self._memory_limit = None if memory_limit_mb is None else memory_limit_mb * 1024 * 1024
        self._memory_check_s = memory_check_s
        self._ready_within_s = ready_within_s
        self._stop_within_s = stop_within_s
        self._first_pause_s = first_pause_s
        self._silent_limit_s = silent_limit_s
        self._tick_s = min(_LONGEST_TICK_S, silent_limit_s / 10)
        self._children: set[_Child] = set()
        self._early_deaths = 0
        self._not_before = 0.0
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._roll_asked = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the children alive until a signal, then stop them and return."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        before = signal.getsignal(signal.SIGHUP)
        loop.add_signal_handler(signal.SIGHUP, self._roll_asked.set)
        background = [loop.create_task(part) for part in self._background()]
        try:
            while not self._stopping.is_set():
                await self._start_missing()
                self._stop_surplus()
                await self._wait_for_change()
            await self._wait_for_children()
        finally:
            ending = [*background, *self._tasks]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
            # Closing the rest may take a while, and SIGHUP must not kill this process meanwhile.
            signal.signal(signal.SIGHUP, before)

    def _background(self) -> Sequence[Coroutine[None, None, None]]:
        return self._watch_life(), self._watch_memory(), self._roll()

    # ------------------------------------------------------------------ keeping the number

    async def _start_missing(self) -> None:
        while len(self._active()) < self._processes and not self._stopping.is_set():
            if self._pause_s() > 0:
                return
            await self._start()

    def _stop_surplus(self) -> None:
        """Stop the extra child left over if one died while its successor was starting."""
        oldest_first = sorted(self._active(), key=lambda child: child.started)
        for child in oldest_first[self._processes :]:
            child.leaving = True
            _signal(child, signal.SIGTERM)

    async def _wait_for_change(self) -> None:
        """Wait for a child to end, a signal, or the end of the pause before the next start."""
        missing = len(self._active()) < self._processes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, self._pause_s()) if missing else None):
                await self._changed.wait()
        self._changed.clear()

    def _active(self) -> list[_Child]:
        return [child for child in self._children if not (child.leaving or child.spare)]

    def _pause_s(self) -> float:
        return self._not_before - time.monotonic()

    async def _start(self, *, spare: bool = False) -> _Child | None:
        """Start a child; return None if the system cannot start a process."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                "--supervised",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                # A terminal's Ctrl-C goes to the whole group: the children would get it twice.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            pause_s = self._pause_after_death(0.0)
            _log.error("worker process cannot be started", error=str(error), next_in_s=pause_s)
            return None
        finally:
            theirs.close()
        ours.settimeout(0)
        child = _Child(process, ours, spare=spare)
        self._children.add(child)
        self._spawn(self._listen(child))
        self._spawn(self._watch_exit(child))
        _log.info("worker process started", pid=process.pid)
        if self._stopping.is_set():
            # The stop signal was sent before this child existed.
            _signal(child, signal.SIGTERM)
        return child

    async def _listen(self, child: _Child) -> None:
        with contextlib.suppress(OSError):
            while said := await asyncio.get_running_loop().sock_recv(child.channel, 4096):
                child.silence.ends()
                if _READY in said:
                    child.ready.set()
        child.closed = True

    async def _watch_life(self) -> None:
        """Kill children that are silent for too long; they count as dead, and are replaced."""
        while True:
            await asyncio.sleep(self._tick_s)
            for child in self._children:
                child.silence.goes_on(self._tick_s)
                if child.silence.seconds > self._longest_silence_s(child):
                    _log.error(
                        "worker process gives no sign of life, killed",
                        pid=child.process.pid,
                        silent_s=round(child.silence.seconds, 1),
                        was_ready=child.ready.is_set(),
                        state=child.state,
                    )
                    child.silence.ends()
                    _signal(child, signal.SIGKILL)

    def _longest_silence_s(self, child: _Child) -> float:
        if child.closed:
            return max(self._silent_limit_s, self._stop_within_s)
        return self._silent_limit_s if child.ready.is_set() else self._ready_within_s

    async def _watch_exit(self, child: _Child) -> None:
        code = await child.process.wait()
        self._children.discard(child)
        child.channel.close()
        child.ended.set()
        if not child.leaving and not self._stopping.is_set():
            lived_s = time.monotonic() - child.started
            _log.error(
                "worker process died",
                pid=child.process.pid,
                exit_code=code,
                lived_s=round(lived_s, 1),
                next_in_s=self._pause_after_death(lived_s),
            )
        self._changed.set()

    def _pause_after_death(self, lived_s: float) -> float:
        """Return the seconds until the next start: zero after a long life."""
        self._early_deaths = 0 if lived_s > _LONG_LIFE_S else self._early_deaths + 1
        pause_s = 0.0
        if self._early_deaths:
            # Cap the exponent: 2 ** 2000 does not fit into a float.
            pause_s = self._first_pause_s * 2 ** min(self._early_deaths - 1, 9)
        pause_s = min(_LONGEST_PAUSE_S, pause_s)
        self._not_before = time.monotonic() + pause_s
        return pause_s

    # ------------------------------------------------------------------ replacing

    async def _watch_memory(self) -> None:
        while self._memory_limit is not None:
            await asyncio.sleep(self._memory_check_s)
            for child in self._active():
                used = child.memory_bytes
                if used > self._memory_limit:
                    _log.warning(
                        "worker process beyond its memory limit",
                        pid=child.process.pid,
                        used_mb=used // 2**20,
                        limit_mb=self._memory_limit // 2**20,
                    )
                    await self._replace(child)

    async def _roll(self) -> None:
        """Replace all children on request; a request meanwhile starts another round."""
        while True:
            await self._roll_asked.wait()
            self._roll_asked.clear()
            old = self._active()
            _log.info("replacing every worker process", processes=len(old))
            for child in old:
                if not await self._replace(child):
                    _log.error("the worker processes that are left stay as they are")
                    break
            else:
                _log.info("every worker process is replaced", processes=len(old))

    async def _replace(self, child: _Child) -> bool:
        """Start a successor first; if it does not become ready, the old child stays."""
        async with self._replacing:
            if self._stopping.is_set() or child.leaving or child.ended.is_set():
                return True
            successor = await self._start(spare=True)
            if successor is None or not await self._becomes_ready(successor):
                _log.error(
                    "successor did not come up, the old worker process stays",
                    pid=child.process.pid,
                )
                return False
            successor.spare, child.leaving = False, True
            self._changed.set()
            _signal(child, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._stop_within_s):
                    await child.ended.wait()
            self._kill(child)
            return True

    async def _becomes_ready(self, successor: _Child) -> bool:
        ready = asyncio.ensure_future(successor.ready.wait())
        ended = asyncio.ensure_future(successor.ended.wait())
        try:
            await asyncio.wait(
                {ready, ended},
                timeout=self._ready_within_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            ready.cancel()
            ended.cancel()
        if successor.ready.is_set() and not successor.ended.is_set():
            return True
        successor.leaving = True
        _signal(successor, signal.SIGKILL)
        return False

    # ------------------------------------------------------------------ stopping

    def _stop(self, number: signal.Signals) -> None:
        _log.info("stopping", signal=number.name, processes=len(self._children))
        again = self._stopping.is_set()
        self._stopping.set()
        self._changed.set()
        for child in self._children:
            if again:
                # Two signals in a row could reach a busy child as one; the socket is unambiguous.
                with contextlib.suppress(OSError):
                    child.channel.send(_AT_ONCE)
            _signal(child, signal.SIGTERM)

    async def _wait_for_children(self) -> None:
        try:
            async with asyncio.timeout(self._stop_within_s):
                while self._children:
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            for child in list(self._children):
                self._kill(child)
            await asyncio.gather(*(child.ended.wait() for child in list(self._children)))

    def _kill(self, child: _Child) -> None:
        if not child.ended.is_set():
            _log.error("worker process did not stop, killed", pid=child.process.pid)
            _signal(child, signal.SIGKILL)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def supervised(descriptor: int) -> AsyncIterator[SupervisorLine]:
    """
    In a child: show the supervisor for the block that the event loop runs.

    descriptor: the number given with `--supervised`.
    """
    channel = socket.socket(fileno=descriptor)
    channel.settimeout(0)

    async def live() -> None:
        while True:
            # The supervisor may be stopped, and its line full, or gone: the other side notices.
            with contextlib.suppress(OSError):
                channel.send(_ALIVE)
            await asyncio.sleep(_ALIVE_EVERY_S)

    living = asyncio.create_task(live(), name="sign of life")
    try:
        yield SupervisorLine(channel)
    finally:
        living.cancel()
        await asyncio.wait({living})
        channel.close()


class SupervisorLine:
    """A child's line to its supervisor."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    async def answer(self, fleet: Fleet) -> None:
        """Report that *fleet* is ready; stop it when the supervisor orders it or is gone."""
        reporting = asyncio.create_task(self._report_ready(fleet))
        try:
            received = b""
            with contextlib.suppress(OSError):
                received = await asyncio.get_running_loop().sock_recv(self._channel, 1)
            if received == _AT_ONCE:
                fleet.stop(at_once=True)
            else:
                _log.warning("the supervisor is gone, stopping")
                fleet.stop()
        finally:
            reporting.cancel()
            await asyncio.wait({reporting})

    async def _report_ready(self, fleet: Fleet) -> None:
        await fleet.ready()
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._channel, _READY)


def _signal(child: _Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.process.send_signal(number)
