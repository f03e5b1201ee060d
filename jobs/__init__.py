"""
The jobs of the channel pipeline. To enqueue them, a service needs only `REDIS_URL`.

    sync_channel → run_analytics → analyze_channel → visualize_data ─┐
                                                  ↘ recommend ───────┴→ render_visualization
                                                      ↘ notify

What follows the analysis is a flow, `jobs.report_flow`. Seven work on one channel. The poller
enqueues the others: `sync_due_channels`, which syncs those that are due, `measure_platform_days`,
which finds days on which counters were late everywhere, `compare_channels`, which finds similar
channels, `deliver_notifications` and `announce_failures`.

Each is imported at its first use: what is computed in a process of its own needs no job there.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.analyze_channel import analyze_channel
    from jobs.announce_failures import announce_failures
    from jobs.compare_channels import compare_channels
    from jobs.deliver_notifications import deliver_notifications
    from jobs.measure_platform_days import measure_platform_days
    from jobs.notify import notify
    from jobs.recommend import recommend
    from jobs.render_visualization import render_visualization
    from jobs.run_analytics import run_analytics
    from jobs.sync_channel import sync_channel
    from jobs.sync_due_channels import sync_due_channels
    from jobs.visualize_data import visualize_data

__all__ = [
    "analyze_channel",
    "announce_failures",
    "compare_channels",
    "deliver_notifications",
    "measure_platform_days",
    "notify",
    "recommend",
    "render_visualization",
    "run_analytics",
    "sync_channel",
    "sync_due_channels",
    "visualize_data",
]


class _Jobs(ModuleType):
    """A job is named as its file, which the import system would put in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Jobs


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jobs' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"jobs.{name}"), name)
    return found
