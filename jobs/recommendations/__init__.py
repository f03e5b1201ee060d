"""
What a channel should do next, as far as its own data can tell.

Pure functions; no I/O, no clock. `advise` gives recommendations, and an answer for every subject
tested, including “no evidence”; `why_none` gives the reason for an empty result.
"""

from __future__ import annotations

from jobs.recommendations.advice import (
    Advice,
    Answer,
    Evidence,
    Recommendation,
    advise,
    nothing_asked,
    recommend,
    why_none,
)

__all__ = [
    "Advice",
    "Answer",
    "Evidence",
    "Recommendation",
    "advise",
    "nothing_asked",
    "recommend",
    "why_none",
]
