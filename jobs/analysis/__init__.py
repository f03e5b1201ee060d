"""
Analyze a channel's data: growth, cadence, engagement, standout items, a forecast.

Pure functions, one file per question, without I/O or a clock. `analyze` calls them all.

Each name is imported at its first use: words and dates of an analysis need no numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.analysis.channel_analysis import ChannelAnalysis, analyze
    from jobs.analysis.section import Missing

__all__ = ["ChannelAnalysis", "Missing", "analyze"]

_MODULES = {
    "ChannelAnalysis": "channel_analysis",
    "Missing": "section",
    "analyze": "channel_analysis",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'jobs.analysis' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"jobs.analysis.{module}"), name)
    return found
