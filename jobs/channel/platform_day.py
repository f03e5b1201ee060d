"""A day on which a platform counted late, or caught up, as seen by all channels of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True)
class PlatformDay:
    """
    On *day* (UTC) the platform counted *factor* times the usual views: the median of *channels*.

    *spread* is the robust standard deviation of the channels' logarithms about it.
    """

    day: date
    factor: float
    spread: float
    channels: int
