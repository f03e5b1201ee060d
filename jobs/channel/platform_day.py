"""A day on which a platform counted late, or caught up, as seen by all channels of a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date

FEWEST_CHANNELS: Final = 20
"""Of fewer channels, days on which most of them counted late cannot be told from chance."""


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
