"""
Find similar channels by their content alone, never by a category.

`profile_of` makes the stored profile of one channel; `comparison.nearest` compares all stored
profiles and is the only part that needs scipy.
"""

from __future__ import annotations

from jobs.recommendations.similar.profile import Profile, pack, profile_of, unpack

__all__ = ["Profile", "pack", "profile_of", "unpack"]
