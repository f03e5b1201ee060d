"""
Import what is heavy when it is first needed: in a thread, for it would block the event loop.

One at a time: where two threads import parts of one package at once, Python breaks the deadlock by
handing one of them a module that is only half there.
"""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

_one_at_a_time = threading.Lock()
_whole: dict[str, ModuleType] = {}


async def imported(name: str) -> Any:
    """Give the module of that name, whole."""
    found = _whole.get(name)
    return await asyncio.to_thread(_import, name) if found is None else found


def _import(name: str) -> Any:
    with _one_at_a_time:
        found = _whole[name] = import_module(name)
        return found
