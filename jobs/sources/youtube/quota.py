"""
A budget of units a day: counted before they are spent, by all workers that share it.

The count is in the database. Redis may be private to one machine, and may be emptied or restored
without harm to the queues; then a count in it would let the same day be spent twice. A call takes
some hundred milliseconds, its count one small transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.channel.records import ChannelReading

_PACIFIC = ZoneInfo("America/Los_Angeles")


def quota_day(now: datetime) -> str:
    """Return the day to which *now* belongs: Google's, which ends at midnight Pacific time."""
    return now.astimezone(_PACIFIC).date().isoformat()


def quota_day_ends(now: datetime) -> datetime:
    """Return the end of the day of *now*; it has 23 or 25 hours where clocks change."""
    tomorrow = now.astimezone(_PACIFIC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), _PACIFIC).astimezone(UTC)


class QuotaLedger(Protocol):
    """Counts units by account and day, for all that share them."""

    async def spend(self, account: str, day: str, units: int, budget: int) -> bool:
        """Count *units* and return True, unless that would exceed *budget*."""
        ...

    async def exhaust(self, account: str, day: str, budget: int) -> None:
        """Count the whole *budget* of *day* as spent."""
        ...

    async def used(self, account: str, day: str) -> int:
        """Return the units counted on *day*."""
        ...


class QuotaError(SourceError):
    """
    The quota of the day is used up; there is more at *until*.

    *reading* is what was read before that: it is paid for.
    """

    def __init__(
        self,
        location: str,
        reason: str,
        until: datetime,
        reading: ChannelReading | None = None,
    ) -> None:
        time = f"{until:%Y-%m-%d %H:%M} UTC, midnight Pacific time"
        super().__init__(location, reason, f"It goes on at {time}", transient=True)
        self.until = until
        self.reading = reading


@dataclass(frozen=True, slots=True)
class Quota:
    """The budget of one account: *per_day* units, counted in *ledger*."""

    ledger: QuotaLedger
    account: str
    per_day: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def spend(self, units: int, location: str) -> None:
        """
        Count *units*; they may be spent when this returns.

        Raises:
            QuotaError: Fewer are left today.
        """
        now = self.now()
        day = quota_day(now)
        if not await self.ledger.spend(self.account, day, units, self.per_day):
            reason = f"YouTube quota of {self.per_day:,} units for {day} is used up"
            raise QuotaError(location, reason, quota_day_ends(now))

    async def is_over(self, location: str, reason: str) -> QuotaError:
        """Count the day as used up, as YouTube says it is, and return the error for that."""
        now = self.now()
        await self.ledger.exhaust(self.account, quota_day(now), self.per_day)
        return QuotaError(location, reason, quota_day_ends(now))

    async def left(self) -> int:
        """Return the units that are left today."""
        used = await self.ledger.used(self.account, quota_day(self.now()))
        return max(0, self.per_day - used)
