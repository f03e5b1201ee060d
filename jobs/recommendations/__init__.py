"""
What a channel should do next, as far as its own data can tell.

Pure functions; no I/O, no clock. `advise` gives recommendations, and an answer for every subject
tested, including “no evidence”; `why_none` gives the reason for an empty result.

Each name is imported at its first use: what shows advice does not compute it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lazy_import import lazy_names

if TYPE_CHECKING:
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

__getattr__ = lazy_names(
    __name__,
    {
        "Advice": "advice",
        "Answer": "advice",
        "Evidence": "advice",
        "Recommendation": "advice",
        "advise": "advice",
        "nothing_asked": "advice",
        "recommend": "advice",
        "why_none": "advice",
    },
)
