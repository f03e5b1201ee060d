"""
The clocks of this process. Nothing else in the runner reads a clock, so a simulation can set them.

`monotonic` measures how long something took, and when to stop waiting. `now_ms` and `now` are this
machine's wall clock: they label what people read, and decide nothing, since two machines never
agree on them. Whether a job is due, held or late is decided by Redis's clock, in the scripts.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

monotonic: Callable[[], float] = time.monotonic
"""Seconds since some moment in the past; never set back."""

_wall_ns: Callable[[], int] = time.time_ns


def now_ms() -> int:
    """Return this machine's time, Unix ms."""
    return _wall_ns() // 1_000_000


def now() -> datetime:
    """Return this machine's time in UTC."""
    return datetime.fromtimestamp(_wall_ns() / 1_000_000_000, UTC)


@contextmanager
def replaced(*, by_monotonic: Callable[[], float], by_wall_ns: Callable[[], int]) -> Iterator[None]:
    """Read other clocks inside, in this whole process."""
    global monotonic, _wall_ns
    before = monotonic, _wall_ns
    monotonic, _wall_ns = by_monotonic, by_wall_ns
    try:
        yield
    finally:
        monotonic, _wall_ns = before
