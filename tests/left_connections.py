"""Connections to Redis that outlive their event loop: the test that left them fails, no other."""

from __future__ import annotations

import weakref
from typing import Any

from redis.asyncio.connection import AbstractConnection

_made: weakref.WeakSet[Any] = weakref.WeakSet()  # of connections; only their private parts tell
_kept: list[Any] = []


def install() -> None:
    """
    Note, from now on, every connection of this process.

    Its own complaint comes when the garbage collector meets it, in whichever test that is.
    """
    original = AbstractConnection.__init__

    def noted(self: AbstractConnection, *args: Any, **values: Any) -> None:
        original(self, *args, **values)
        _made.add(self)

    AbstractConnection.__init__ = noted  # type: ignore[method-assign]


def newly_left() -> list[str]:
    """Name the open connections whose event loop is closed; the collector will not meet them."""
    left = [one for one in _made if one.is_connected and one._writer._loop.is_closed()]
    _made.difference_update(left)
    _kept.extend(left)
    return [repr(one) for one in left]
