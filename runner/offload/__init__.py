"""Run CPU-bound work in separate processes, which are killed if the call is cancelled."""

from __future__ import annotations

from runner.offload.limits import Limits
from runner.offload.offloader import Offloader

__all__ = ["Limits", "Offloader"]
