"""CPU-bound work in processes of its own, which end when the call is cancelled."""

from __future__ import annotations

from runner.offload.offloader import Offloader

__all__ = ["Offloader"]
