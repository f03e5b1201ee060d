"""
The clock of this process that decides how long to wait. Nothing else here measures time.

`monotonic` measures how long something took, and when to stop waiting. `boot` goes on while the
machine sleeps: it says how old a claim is, which others may have taken over meanwhile. When
something is due, held or late is decided by Redis's clock, in the scripts; what people read is
labelled by `broker.redis_clock` in workers, and by `wall_clock` elsewhere. Simulations set all.
"""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

monotonic: Callable[[], float] = time.monotonic
"""Seconds since some moment in the past; never set back."""

# macOS has no such clock, and does not need it: there CLOCK_MONOTONIC goes on in sleep.
_BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

boot: Callable[[], float] = functools.partial(time.clock_gettime, _BOOT)
"""Seconds since some moment in the past, the machine's sleep included; never set back."""


@contextmanager
def replaced(
    by_monotonic: Callable[[], float], *, by_boot: Callable[[], float] | None = None
) -> Iterator[None]:
    """Read other clocks inside, in this whole process. by_boot: None for *by_monotonic*."""
    global monotonic, boot
    before = monotonic, boot
    monotonic, boot = by_monotonic, by_boot or by_monotonic
    try:
        yield
    finally:
        monotonic, boot = before
