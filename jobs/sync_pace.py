"""How often a channel is synced by itself. Pure: times go in, times come out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LOOK_BACK = 11
"""Publications whose gaps count: the ten latest."""

_SHARE_OF_A_GAP = 0.25
_JITTER = 0.1
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Bounds of an interval that adapts, and *every_s* for channels that have none of their own.

    Without *every_s* the interval follows how often a channel publishes.
    """

    shortest_s: int = 3_600
    longest_s: int = 86_400
    every_s: int | None = None

    def interval_s(
        self, every_s: int | None, publications: Sequence[datetime], now: datetime
    ) -> int:
        """
        Seconds between two syncs of a channel: *every_s*, ours, or by its *publications*.

        Of the latter, newest first, a quarter of the usual gap (the median of the ten latest), or
        of the time since the last one if that is longer: a daily channel is looked at every six
        hours, and one that fell silent ever less often, down to *longest_s*.
        """
        asked_s = every_s or self.every_s
        if asked_s is not None:
            return asked_s
        if not publications:
            return self.longest_s
        newest = publications[:LOOK_BACK]
        gaps_s = [(newer - older).total_seconds() for newer, older in pairwise(newest)]
        quiet_s = (now - newest[0]).total_seconds()
        usual_s = max(median(gaps_s) if gaps_s else quiet_s, quiet_s)
        return round(min(max(_SHARE_OF_A_GAP * usual_s, self.shortest_s), self.longest_s))

    def next_at(self, now: datetime, interval_s: int, failures: int, spread: float) -> datetime:
        """
        When to sync next; *spread*, 0 to 1 at random, keeps many channels from one moment.

        Each failure in a row doubles the wait, up to *longest_s*, or the interval if that is
        longer: a source that is gone is asked once a day.
        """
        waited_s = interval_s * 2 ** min(failures, _MOST_DOUBLINGS)
        bounded_s = min(waited_s, max(self.longest_s, interval_s))
        return now + timedelta(seconds=bounded_s * (1 + _JITTER * (2 * spread - 1)))
