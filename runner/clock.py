"""
The clocks of this process. Nothing else in the runner reads a clock, so a simulation can set them.

`monotonic` measures how long something took, and when to stop waiting. `boot` goes on while the
machine sleeps: it says how old a claim is, which others may have taken over meanwhile. `now_ms` and
`now` are this machine's wall clock: they label what people read, and decide nothing, since two
machines never agree on them. Whether a job is due, held or late is decided by Redis's clock, in the
scripts.
"""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

monotonic: Callable[[], float] = time.monotonic
"""Seconds since some moment in the past; never set back."""

# macOS has no such clock, and does not need it: there CLOCK_MONOTONIC goes on in sleep.
_BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

boot: Callable[[], float] = functools.partial(time.clock_gettime, _BOOT)
"""Seconds since some moment in the past, the machine's sleep included; never set back."""

_wall_ns: Callable[[], int] = time.time_ns


def now_ms() -> int:
    """Return this machine's time, Unix ms."""
    return _wall_ns() // 1_000_000


def now() -> datetime:
    """Return this machine's time in UTC."""
    return datetime.fromtimestamp(_wall_ns() / 1_000_000_000, UTC)


@contextmanager
def replaced(
    *,
    by_monotonic: Callable[[], float],
    by_wall_ns: Callable[[], int],
    by_boot: Callable[[], float] | None = None,
) -> Iterator[None]:
    """Read other clocks inside, in this whole process. by_boot: None for *by_monotonic*."""
    global monotonic, boot, _wall_ns
    before = monotonic, boot, _wall_ns
    monotonic, boot, _wall_ns = by_monotonic, by_boot or by_monotonic, by_wall_ns
    try:
        yield
    finally:
        monotonic, boot, _wall_ns = before
