"""
What a channel should do next, as far as its own data can tell.

Pure functions; no I/O, no clock. `recommend` gives advice, `why_none` the reason for silence.
"""

from __future__ import annotations

from jobs.recommendations.advice import Evidence, Recommendation, recommend, why_none

__all__ = ["Evidence", "Recommendation", "recommend", "why_none"]
