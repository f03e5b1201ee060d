"""What a table is in a YouTube Studio export; its columns alone decide, whatever its name."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from jobs.sources.studio.names import english

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = "date"
ITEM = "content"
TITLE = "video title"

WHOLE_SPLITS = frozenset({"subscription status"})
"""Splits whose parts together are the whole day: each view is of exactly one of them."""

DIMENSIONS = frozenset(
    {
        *("geography", "traffic source", "viewer age", "viewer gender", "device type", "cities"),
        *("subscription status", "subscription source", "playlist", "operating system"),
        *("content type", "new and returning viewers", "subtitles and cc", "playback location"),
    }
)
_METRICS = frozenset(
    {
        *("views", "engaged views", "subscribers", "watch time (hours)", "impressions"),
        *("impressions click-through rate (%)", "average view duration", "likes", "dislikes"),
        *("average percentage viewed (%)", "subscribers gained", "subscribers lost", "shares"),
        *("comments added", "unique viewers", "estimated revenue (usd)", "estimated revenue"),
        *("average views per viewer", "returning viewers", "new viewers", "hypes"),
        *("likes (vs. dislikes) (%)", "casual viewers", "regular viewers", "stayed to watch (%)"),
    }
)


class Role(StrEnum):
    """
    The tables of an export, as `export` describes them; a split is of no day and no video.

    PARTS are those of a split whose parts together are the whole day.
    """

    TOTALS = "totals"
    CHART = "chart"
    TABLE = "table"
    PARTS = "parts"
    SPLIT = "split"


def role_of(names: Sequence[str]) -> Role | None:
    """Return what a table with columns of these *names* is, or None if no export has it."""
    columns = set(english(names))
    if columns >= {ITEM, TITLE}:
        return Role.CHART if DAY in columns else Role.TABLE
    metrics, others = columns & _METRICS, columns - _METRICS
    if not metrics:
        return None
    if others == {DAY}:
        return Role.TOTALS
    if DAY in others and len(others - {DAY}) == 1 and others & WHOLE_SPLITS:
        return Role.PARTS
    return Role.SPLIT if others & DIMENSIONS and others <= {*DIMENSIONS, DAY} else None
