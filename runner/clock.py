"""
The clock of this process that decides how long to wait. Nothing else here measures time.

When something is due, held or late is decided by Redis's clock, in the scripts; what people read is
labelled by `broker.redis_clock` in workers, and by `wall_clock` elsewhere. Simulations set both.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

monotonic: Callable[[], float] = time.monotonic
"""Seconds since some moment in the past; never set back."""


@contextmanager
def replaced(by_monotonic: Callable[[], float]) -> Iterator[None]:
    """Read another clock inside, in this whole process."""
    global monotonic  # noqa: PLW0603 -- one process has one
    before, monotonic = monotonic, by_monotonic
    try:
        yield
    finally:
        monotonic = before
