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


_DIGITS = 32
_AT_ONCE = 256
_drawn: list[str] = []
"""Ids for later: to ask the system for each took a tenth of an enqueue."""

# A child process would use the same ones.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)


def new_id(digits: int = _DIGITS) -> str:
    """Return an id that was never used before: *digits* (even) hexadecimal digits; arq has 32."""
    if digits != _DIGITS or _bytes is not os.urandom:
        return _bytes(digits // 2).hex()
    try:
        return _drawn.pop()
    except IndexError:
        text = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
        _drawn.extend(text[at : at + _DIGITS] for at in range(_DIGITS, len(text), _DIGITS))
        return text[:_DIGITS]


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
