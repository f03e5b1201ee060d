"""
Analyze a channel's data: growth, cadence, engagement, standout items, a forecast.

Pure functions, one file per question, without I/O or a clock. `analyze` calls them all.
"""

from __future__ import annotations

from jobs.analysis.channel_analysis import ChannelAnalysis, analyze
from jobs.analysis.section import Missing

__all__ = ["ChannelAnalysis", "Missing", "analyze"]
