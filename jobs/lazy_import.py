"""
Import what is heavy when it is first needed: in a thread, for it would block the event loop.

One at a time: where two threads import parts of one package at once, Python breaks the deadlock by
handing one of them a module that is only half there.
"""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import Any

_one_at_a_time = threading.Lock()


async def imported(name: str) -> Any:
    """Give the module of that name, whole."""
    return await asyncio.to_thread(_import, name)


def _import(name: str) -> Any:
    with _one_at_a_time:
        return import_module(name)
