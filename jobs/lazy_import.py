"""
Import heavy modules when they are first needed, in a thread, so the event loop stays free.

One at a time: if two threads import parts of one package at once, Python breaks the deadlock by
giving one of them a partly initialised module.
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
    """Return the module of that name, fully imported."""
    found = _whole.get(name)
    return await asyncio.to_thread(_import, name) if found is None else found


def _import(name: str) -> Any:
    with _one_at_a_time:
        found = _whole[name] = import_module(name)
        return found
