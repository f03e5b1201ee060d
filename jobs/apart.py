"""
Work on what others wrote is done apart: in processes that have no network and may be lost.

A file, a feed or a title can make a parser or a renderer compute for ever, take all memory, or end
its process. Apart, that costs the one call, which fails with the reason.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from runner.offload.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MIB: Final = 1024 * 1024
_MEMORY: Final = 2048 * _MIB
_WALL_S: Final = 240.0

DRAWING: Final = Limits(cpu_s=60.0, memory_bytes=_MEMORY, wall_s=120.0)
"""For all charts of a channel, or one report: either takes about a second."""

ONE_CHART: Final = Limits(cpu_s=20.0, memory_bytes=_MEMORY, wall_s=120.0)
"""For each chart by itself, once one of them ended the process that had all of them."""

COMPUTING: Final = Limits(cpu_s=3600.0, memory_bytes=2 * _MEMORY, wall_s=1800.0)
"""For the analysis of what was read, and for comparing all channels."""


class Run(Protocol):
    """Runs a CPU-bound function elsewhere, within limits: `ctx.offload`, `Offloader.run`."""

    async def __call__(self, function: Callable[..., T], /, *args: Any, limits: Limits) -> T:
        """
        Return the function's result.

        Raises:
            OffloadDiedError: It crashed, or passed one of *limits*.
        """
        ...


async def in_thread(function: Callable[..., T], /, *args: Any, limits: Limits) -> T:
    """Run it here after all, in a thread and without limits, for data that is one's own."""
    del limits
    return await asyncio.to_thread(function, *args)


def reading(size: int) -> Limits:
    """Return the limits for reading a source of *size* bytes, as it lies there or arrived."""
    cpu_s = min(_WALL_S, 60.0 + 2.0 * size / _MIB)
    return Limits(cpu_s=cpu_s, memory_bytes=_MEMORY, wall_s=_WALL_S)
