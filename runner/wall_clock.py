"""
This machine's wall clock: it labels what people read, and decides nothing.

No two machines agree on it. Whether a job is due, held, late or old is decided by Redis's clock; a
worker labels what it does by `broker.redis_clock`. A contract lists who may read this one.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_wall_ns: Callable[[], int] = time.time_ns


def now_ms() -> int:
    """Return this machine's time, Unix ms."""
    return _wall_ns() // 1_000_000


def now_us() -> int:
    """Return this machine's time, Unix µs."""
    return _wall_ns() // 1_000


def now() -> datetime:
    """Return this machine's time in UTC."""
    return datetime.fromtimestamp(_wall_ns() / 1_000_000_000, UTC)


@contextmanager
def replaced(by_wall_ns: Callable[[], int]) -> Iterator[None]:
    """Read another clock inside, in this whole process."""
    global _wall_ns  # noqa: PLW0603 -- one process has one
    before, _wall_ns = _wall_ns, by_wall_ns
    try:
        yield
    finally:
        _wall_ns = before
