"""
Chance: fresh ids, and the spread of delays. Nothing else in the runner draws, so a simulation can.

Secrets (sessions, tokens) are not drawn here: they come from `secrets`, wherever they are needed.
"""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

spread: Callable[[], float] = random.random
"""A number from 0 up to, but not including, 1."""

_bytes: Callable[[int], bytes] = os.urandom


def new_id(digits: int = 32) -> str:
    """Return an id that was never used before: *digits* (even) hexadecimal digits; arq has 32."""
    return _bytes(digits // 2).hex()


@contextmanager
def replaced(*, by_spread: Callable[[], float], by_bytes: Callable[[int], bytes]) -> Iterator[None]:
    """Draw elsewhere inside, in this whole process."""
    global spread, _bytes
    before = spread, _bytes
    spread, _bytes = by_spread, by_bytes
    try:
        yield
    finally:
        spread, _bytes = before
