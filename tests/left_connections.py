"""Connections to Redis that outlive their event loop: the test that left them fails, no other."""

from __future__ import annotations

import weakref
from typing import Any

from redis.asyncio.connection import AbstractConnection

# Not a WeakSet: other threads open connections, too, and it cannot be iterated while it grows.
_made: set[weakref.ref[Any]] = set()
_kept: list[Any] = []


def install() -> None:
    """
    Note, from now on, every connection of this process.

    Its own complaint comes when the garbage collector meets it, in whichever test that is.
    """
    original = AbstractConnection.__init__

    def noted(self: AbstractConnection, *args: Any, **values: Any) -> None:
        original(self, *args, **values)
        _made.add(weakref.ref(self, _made.discard))

    AbstractConnection.__init__ = noted  # type: ignore[method-assign]


def newly_left() -> list[str]:
    """Name the open connections whose event loop is closed; the collector will not meet them."""
    made = [one for reference in list(_made) if (one := reference()) is not None]
    left = [one for one in made if one.is_connected and one._writer._loop.is_closed()]
    _made.difference_update(map(weakref.ref, left))
    _kept.extend(left)
    return [repr(one) for one in left]
