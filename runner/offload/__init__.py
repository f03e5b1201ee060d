"""
Run CPU-bound work in separate processes, which are killed if the call is cancelled.

What starts processes is imported when it is used: in those, it is of no use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.offload.limits import Limits

if TYPE_CHECKING:
    from runner.offload.offloader import Offloader

__all__ = ["Limits", "Offloader"]


def __getattr__(name: str) -> Any:
    if name != "Offloader":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runner.offload.offloader import Offloader

    globals()[name] = Offloader
    return Offloader
