"""When a target may be notified: quiet hours and digests. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from runner.periodic.crontab import Crontab

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_DAY = timedelta(days=1)
_HOUR = 60


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From *start* until before *end* by the clock of *timezone*; may span midnight."""

    start: time
    end: time
    timezone: str

    @classmethod
    def parse(cls, text: str, timezone: str) -> QuietHours:
        """
        Read `22:00-07:00`.

        Raises:
            ConfigurationError: *text* is not such a span, or its start is its end.
        """
        found = _SPAN.fullmatch(text.strip())
        times = [_clock(*found.group(at, at + 1)) for at in (1, 3)] if found else [None]
        start, end = times[0], times[-1]
        if start is None or end is None or start == end:
            raise ConfigurationError(
                f"quiet hours {text!r}: write a span of hours such as 22:00-07:00"
            )
        return cls(start, end, timezone)

    def end_after(self, now: datetime) -> datetime | None:
        """Return when the quiet hours at *now* (aware) end, in UTC; None outside them."""
        local = now.astimezone(ZoneInfo(self.timezone))
        clock = local.time()
        over_midnight = self.start > self.end
        if over_midnight:
            if not (clock >= self.start or clock < self.end):
                return None
            day = local.date() + _DAY if clock >= self.start else local.date()
        else:
            if not self.start <= clock < self.end:
                return None
            day = local.date()
        return datetime.combine(day, self.end, local.tzinfo).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Timing:
    """
    A target's *quiet* hours, and the crontab of its *digest*.

    Without a digest everything is sent at once, except in quiet hours.
    """

    quiet: QuietHours | None = None
    digest: Crontab | None = None

    def due_at(self, now: datetime) -> datetime:
        """Return the earliest time to report something that happens at *now* (aware)."""
        due = self.digest.next_after(now) if self.digest else now
        return (self.quiet and self.quiet.end_after(due)) or due

    def is_quiet(self, now: datetime) -> bool:
        """Return whether nothing may be sent at *now*, however long it has been due."""
        return self.quiet is not None and self.quiet.end_after(now) is not None


def _clock(hour: str, minute: str) -> time | None:
    at = int(hour) * 60 + int(minute)
    return time(at // 60, at % 60) if int(minute) < _HOUR and at < 24 * _HOUR else None
