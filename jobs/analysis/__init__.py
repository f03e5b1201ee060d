"""
Analyze a channel's data: growth, cadence, engagement, standout items, a forecast.

Pure functions, one file per question, without I/O or a clock. `analyze` calls them all.

Each name is imported at its first use: words and dates of an analysis need no numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lazy_import import lazy_names

if TYPE_CHECKING:
    from jobs.analysis.channel_analysis import ChannelAnalysis, analyze
    from jobs.analysis.section import Missing

__all__ = ["ChannelAnalysis", "Missing", "analyze"]

__getattr__ = lazy_names(
    __name__,
    {
        "ChannelAnalysis": "channel_analysis",
        "Missing": "section",
        "analyze": "channel_analysis",
    },
)
