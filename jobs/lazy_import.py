"""
Import heavy modules when they are first needed.

`imported` does so in a thread, so that the event loop stays free. One at a time: if two threads
import parts of one package at once, Python breaks the deadlock by giving one of them a partly
initialised module.
"""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """
    Return the `__getattr__` of *package*: its names, each with its module, at their first use.

    What was imported once is an attribute from then on.
    """

    def get(name: str) -> Any:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{module}"), name)
        vars(import_module(package))[name] = found
        return found

    return get
