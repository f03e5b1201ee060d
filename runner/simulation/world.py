"""
The simulated world: processes, their network and one Redis, in virtual time, from one seed.

The world runs one turn of one process at a time, in an order that the seed decides, and when none
has anything to do it moves the time to the next timer or message. So the same seed gives the same
history to the byte, and an hour takes as long as what happens in it.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import heapq
import itertools
import math
import sys
import warnings
from asyncio import events
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, Self

from runner import chance, clock, machine, wall_clock
from runner.simulation.loop import ProcessCrashed, ProcessLoop
from runner.simulation.network import Door, Network
from runner.simulation.redis import SimulatedRedis

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from runner.simulation.redis.server import Snapshot

_EPOCH_S = 1_700_000_000
"""When a world begins, Unix time: late enough that no time before it is negative."""

_UPTIME_S = 100_000.0
_SHORTEST_WAIT_S = 1e-6
_MOST_CLEANUPS = 100
_MOST_TURNS = 5_000_000


class Stuck(AssertionError):  # noqa: N818 -- said of the world
    """Nothing is left to happen, or far too much happens at one moment."""


class Process(machine.Machine):
    """
    One process of the world, from its start to its end or its crash.

    skew_s: how far its wall clock is ahead of the world's.
    """

    has_threads = False

    def __init__(self, world: World, name: str, number: int, *, skew_s: float) -> None:
        self._world = world
        self._number = number
        self.name = name
        self.skew_s = skew_s
        self.is_alive = True
        self.frozen_until = 0.0
        self.partitioned_until = 0.0
        self.random = world.random_of(f"process {name}")
        self.loop = ProcessLoop(world, self._connect, self._wake)
        self.main: asyncio.Task[Any] | None = None

    async def _connect(self, factory: Callable[[], asyncio.Protocol]) -> Any:
        return await self._world.network.connect(self, factory)

    @property
    def host(self) -> str:
        """The name of its machine: as a host's, without a space."""
        return self.name.replace(" ", "-")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._number

    @property
    def memory_bytes(self) -> int:
        """What it seems to use."""
        return 50_000_000

    def start(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run *main* as the process's only task at first; the process ends with it."""
        self.loop.call_soon(self._begin, main)

    def _begin(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.main = self.loop.create_task(main())
        self.main.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._world.ended(self, task)

    def crash(self, *, with_its_machine: bool = False) -> None:
        """
        End it as SIGKILL does: nothing more runs, and what it has sent arrives.

        with_its_machine: what is under way is lost as well.
        """
        if self.is_alive:
            self.is_alive = False
            network = self._world.network
            (network.cut if with_its_machine else network.close)(network.of(self))

    def crash_after(self, callbacks: int) -> None:
        """Crash after so many more callbacks, at whatever they do."""
        self.loop.turns_left = callbacks

    def freeze(self, for_s: float) -> None:
        """Run nothing for *for_s*, as SIGSTOP does; what arrives waits."""
        self.frozen_until = max(self.frozen_until, self._world.now + for_s)

    def partition(self, for_s: float) -> None:
        """Hold back all that it sends and receives for *for_s*; nobody is told."""
        self.partitioned_until = max(self.partitioned_until, self._world.now + for_s)
        for connection in self._world.network.of(self):
            connection.held_until = self.partitioned_until

    def bury(self) -> None:
        """Drop its tasks. Until now they were kept: as they are dropped, their `finally` runs."""
        self.is_alive = False
        tasks = sorted(asyncio.all_tasks(self.loop), key=hash)
        self.loop.end()
        # What a `finally` starts must fail: without a loop here asyncio would take the thread's.
        events._set_running_loop(self.loop)  # noqa: SLF001 -- as asyncio's own loops
        try:
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 -- it was killed
                coroutine = task.get_coro()
                for _ in range(_MOST_CLEANUPS):
                    # A `finally` that waits refuses to be closed, once for each wait.
                    with suppress(BaseException):
                        coroutine.close()
                        break
        finally:
            events._set_running_loop(None)  # noqa: SLF001

    def _wake(self, at: float) -> None:
        """Ask the world for a turn, now or later."""
        world = self._world
        if at <= world.now:
            world.wake(self)
        else:
            world.later(at, self.loop.look)


class World:
    """
    One history, decided by *seed*.

    Use it as a context: inside, the clocks, chance and the machine of the runner are the world's.
    redis_version: the version that Redis resembles. door: sees each command, and decides its fate.
    """

    def __init__(
        self,
        seed: int | str,
        *,
        redis_version: tuple[int, int, int] = (7, 0, 15),
        door: Door | None = None,
    ) -> None:
        self._seed = seed
        self.now = 0.0
        """Seconds since the world began."""
        self.door = door or Door()
        self.redis_skew_s = 0.0
        """How far Redis's clock is ahead of the world's."""
        self.redis_is_up = True
        self.redis = SimulatedRedis(self._redis_us, version=redis_version)
        self.network = Network(self, self.random_of)
        self.processes: list[Process] = []
        self.endings: list[tuple[Process, BaseException | None]] = []
        """Processes that have ended by themselves, and by which error."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._woken: dict[Process, None] = {}
        """Processes that have something to run now."""
        self._wakes_blocked_at = math.inf
        self._numbers = itertools.count()
        self._current: Process | None = None
        self._order = self.random_of("order")
        self._exits = ExitStack()
        self._digest = hashlib.blake2b(digest_size=16)

    # ------------------------------------------------------------------ its context

    def __enter__(self) -> Self:
        # What was there before is no garbage of this world, and takes long to look through.
        gc.freeze()
        self._exits.enter_context(clock.replaced(self._monotonic))
        self._exits.enter_context(wall_clock.replaced(self._wall_ns))
        self._exits.enter_context(
            chance.replaced(by_spread=self._spread, by_bytes=self._random_bytes)
        )
        self._exits.enter_context(machine.replaced(self._machine))
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()
        with _silence():
            for process in self.processes:
                process.bury()
            self.processes.clear()
            self._events.clear()
            self.network.forget()
            # Now, while nobody minds what is left open.
            gc.collect()
        gc.unfreeze()

    @property
    def utc_now(self) -> datetime:
        """The world's time, aware, as a right clock shows it: for `options(at=…)`."""
        return datetime.fromtimestamp(_EPOCH_S + self.now, UTC)

    # ------------------------------------------------------------------ seams

    def random_of(self, name: str) -> Random:
        """Return a source of chance of its own for *name*: others' draws do not change it."""
        return Random(f"{self._seed}:{name}")  # noqa: S311 -- repeatable on purpose

    def _monotonic(self) -> float:
        return _UPTIME_S + self.now

    def _wall_ns(self) -> int:
        skew_s = 0.0 if self._current is None else self._current.skew_s
        return round((_EPOCH_S + self.now + skew_s) * 1_000_000_000)

    def _redis_us(self) -> int:
        return round((_EPOCH_S + self.now + self.redis_skew_s) * 1_000_000)

    def _spread(self) -> float:
        return self._chance().random()

    def _random_bytes(self, count: int) -> bytes:
        return self._chance().randbytes(count)

    def _chance(self) -> Random:
        return self._order if self._current is None else self._current.random

    def _machine(self) -> machine.Machine:
        if self._current is None:
            raise RuntimeError("no process of the world runs now")
        return self._current

    # ------------------------------------------------------------------ what happens

    def process(
        self, name: str, main: Callable[[], Coroutine[Any, Any, Any]], *, skew_s: float = 0.0
    ) -> Process:
        """Start a process that runs *main*, and ends with it."""
        process = Process(self, name, len(self.processes) + 1, skew_s=skew_s)
        self.processes.append(process)
        process.start(main)
        return process

    def process_named(self, name: str) -> Process:
        """Return the process of that name, the latest if there were several."""
        return next(process for process in reversed(self.processes) if process.name == name)

    def later(self, at: float, act: Callable[[], None]) -> None:
        """Call *act* at the time *at*, in seconds since the world began."""
        heapq.heappush(self._events, (max(at, self.now), next(self._numbers), act))

    def wake(self, process: Process) -> None:
        """Give *process* a turn now, or once it is no longer frozen."""
        self._woken[process] = None

    def ended(self, process: Process, task: asyncio.Task[Any]) -> None:
        """Note that a process has ended by itself."""
        process.is_alive = False
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self.endings.append((process, error))
        self.network.cut(self.network.of(process))

    def stop_redis(self, *, silent_s: float = 0.0, left: Snapshot | None = None) -> None:
        """
        Stop Redis: connections are cut, which processes notice after *silent_s*.

        left: what it will have when it starts again; None: all that it has now.
        """
        self.redis_is_up = False
        self.network.cut(list(self.network.connections.values()), silent_s=silent_s)
        self.redis.restore(self.redis.snapshot() if left is None else left)

    def start_redis(self) -> None:
        """Start Redis again, without its scripts; nothing happens if it runs."""
        self.redis_is_up = True

    def set_redis_clock(self, skew_s: float) -> None:
        """Set Redis's clock to *skew_s* seconds ahead of the world's."""
        self.redis_skew_s = skew_s
        self._wakes_blocked_at = math.inf
        self.note_blocked()

    def run_until(self, is_over: Callable[[], bool], *, longest_s: float) -> bool:
        """
        Run the world until *is_over*, for *longest_s* seconds of its time at most.

        Returns:
            Whether it is over.

        Raises:
            Stuck: Far too much happens at one moment.
        """
        ends_at = self.now + longest_s
        enabled = gc.isenabled()
        gc.disable()
        try:
            for _ in range(_MOST_TURNS):
                if is_over():
                    return True
                if not self._turn():
                    at = self._events[0][0] if self._events else math.inf
                    if at > ends_at:
                        self.now = ends_at
                        return is_over()
                    self.now = max(self.now, at)
        finally:
            if enabled:
                gc.enable()
        raise Stuck(f"still not over after {_MOST_TURNS} turns, at {self.now:.3f} s")

    def _turn(self) -> bool:
        """Let what is due now happen: events first, then a turn of each process, in some order."""
        events, now = self._events, self.now
        happened = False
        while events and events[0][0] <= now:
            heapq.heappop(events)[2]()
            happened = True
        if not self._woken:
            return happened
        ready = []
        for process in self._woken:
            if not process.is_alive:
                continue
            if process.frozen_until <= now:
                ready.append(process)
            else:
                self.later(process.frozen_until, process.loop.look)
        self._woken = {}
        if len(ready) > 1:
            self._order.shuffle(ready)
        for process in ready:
            self._run(process)
        return True

    def _run(self, process: Process) -> None:
        if not process.is_alive:
            return  # it was crashed in this very turn of the world
        self._current = process
        try:
            process.loop.turn()
        except ProcessCrashed:
            process.crash()
        finally:
            self._current = None

    # ------------------------------------------------------------------ clients that Redis blocks

    def note_blocked(self) -> None:
        """Look again when the first client has waited long enough that blocks on Redis now."""
        deadline_us = self.redis.next_deadline()
        if deadline_us is not None:
            at = deadline_us / 1_000_000 - _EPOCH_S - self.redis_skew_s
            at = max(at, self.now + _SHORTEST_WAIT_S)
            if at < self._wakes_blocked_at:
                self._wakes_blocked_at = at
                self.later(at, self._wake_blocked)

    def _wake_blocked(self) -> None:
        self._wakes_blocked_at = math.inf
        self.redis.wake_overdue()
        self.note_blocked()


@contextmanager
def _silence() -> Iterator[None]:
    """Ignore what coroutines complain of that are dropped half-way: their process was killed."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        sys.unraisablehook = before
