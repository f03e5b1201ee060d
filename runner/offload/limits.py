"""What one offloaded call may use, and how its process is watched from outside while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from runner.wording import size

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one call may use; past any of them its process is killed, and only this call fails.

    cpu_s: seconds of computing, of all its threads together; the kernel counts whole seconds.
    memory_bytes: resident memory of its process, with what earlier calls have left loaded.
    wall_s: seconds from its start, without the wait for a free process.
    """

    cpu_s: float
    memory_bytes: int
    wall_s: float


class MemoryWatch:
    """
    Looks at a process's memory from outside, and calls *kill* once it is more than allowed.

    The kernel's own limits would not do: V8 reserves far more addresses than it uses, and a
    refused allocation ends a library in its own way, or not at all.
    """

    def __init__(self, pid: int, most_bytes: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        self._most_bytes = most_bytes
        self._kill = kill
        self._timer: asyncio.TimerHandle | None = None
        self.found = ""
        """What was found; empty as long as memory is within its limit."""

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if resident_bytes(self._pid) > self._most_bytes:
            self.found = f"it took more than {size(self._most_bytes)} of memory"
            self._kill()
        else:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; zero once it is gone."""
    import psutil  # here, since a service that only enqueues does without it

    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0
