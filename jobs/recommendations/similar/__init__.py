"""
Which channels are like each other, by their content alone; a category is never looked at.

`profile_of` makes of one channel what is kept of it; `comparison.nearest` compares all that were
kept, and alone needs the library of machine learning.
"""

from __future__ import annotations

from jobs.recommendations.similar.profile import Profile, pack, profile_of, unpack

__all__ = ["Profile", "pack", "profile_of", "unpack"]
