"""
What a channel's data says: growth, cadence, engagement, items that stand out, a forecast.

Pure functions, one file per question; no I/O, no clock. `analyze` asks them all.
"""

from __future__ import annotations

from jobs.analysis.channel_analysis import ChannelAnalysis, analyze
from jobs.analysis.section import Missing

__all__ = ["ChannelAnalysis", "Missing", "analyze"]
