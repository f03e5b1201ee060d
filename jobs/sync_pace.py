"""How often a scheduled channel is synced. Pure: times in, times out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

LOOK_BACK = 11
"""How many of the latest publications count."""

_SHARE_OF_A_GAP = 0.25
_JITTER = 0.1
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Bounds of an adaptive interval, and *every_s* for channels without an interval of their own.

    Without *every_s* the interval follows how often a channel publishes.
    """

    shortest_s: int = 3_600
    longest_s: int = 86_400
    every_s: int | None = None

    def interval_s(
        self, every_s: int | None, publications: Sequence[datetime], now: datetime
    ) -> int:
        """
        Return the seconds between two syncs of a channel: its *every_s*, ours, or an adaptive one.

        The adaptive interval is a quarter of the usual gap between *publications*, newest first
        (the median of the ten latest), or of the time since the last one if that is longer: a
        daily channel is read every six hours, and one that fell silent less and less often, down
        to every *longest_s*.
        """
        asked_s = every_s or self.every_s
        if asked_s is not None:
            return asked_s
        if not publications:
            return self.longest_s
        newest = publications[:LOOK_BACK]
        gaps_s = [(newer - older).total_seconds() for newer, older in pairwise(newest)]
        quiet_s = (now - newest[0]).total_seconds()
        # Here: most that import this ask for no pace.
        from statistics import median

        usual_s = max(median(gaps_s) if gaps_s else quiet_s, quiet_s)
        return round(min(max(_SHARE_OF_A_GAP * usual_s, self.shortest_s), self.longest_s))

    def next_at(self, now: datetime, interval_s: int, failures: int, spread: float) -> datetime:
        """
        Return when to sync next; *spread*, random from 0 to 1, keeps channels apart.

        Each consecutive failure doubles the wait, up to *longest_s* or, if that is longer, the
        interval: a source that is gone is read once a day.
        """
        waited_s = interval_s * 2 ** min(failures, _MOST_DOUBLINGS)
        bounded_s = min(waited_s, max(self.longest_s, interval_s))
        return now + timedelta(seconds=bounded_s * (1 + _JITTER * (2 * spread - 1)))
