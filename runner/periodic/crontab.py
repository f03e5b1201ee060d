"""
Crontab text and a time zone → times. Pure.

The text is that of Debian's crontab (`man 5 crontab`), read by cronsim: five fields, or six with
seconds first; names of months and days, `L` for the last day, `MON#2`, and `@hourly` to `@yearly`.

Daylight saving follows Debian's cron too. A job at a fixed time runs once on the day of a change:
at the end of the gap if its time is skipped, in the first pass if its time comes twice. A job
whose minute or hour field starts with `*` follows the clock: not in the gap, but in both passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIRST_WINDOW = timedelta(minutes=1)
_WINDOW_GROWTH = 8
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Crontab:
    """
    The times that *text* names, by the clocks of *timezone*.

    Raises:
        ConfigurationError: *text* is not a crontab or names a date that does not exist, or
            *timezone* is not known here.
    """

    text: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse a crontab that could never come due."""
        from cronsim import CronSimError

        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError(
                f"crontab {self.text!r}: time zone {self.timezone!r} is not known here: "
                "use a name such as Europe/Berlin, and check that tzdata is installed"
            ) from None
        try:
            first = next(self._ticks(_ANY_DAY), None)
        except CronSimError as error:
            raise ConfigurationError(
                f"crontab {self.text!r}: {str(error)[:1].lower()}{str(error)[1:]}: "
                "write 5 fields (minute hour day month weekday), such as '*/15 6-22 * * MON-FRI'"
            ) from None
        if first is None:
            raise ConfigurationError(f"crontab {self.text!r}: there is no such date in 50 years")

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time later than *moment* (aware), in UTC."""
        return next(self._ticks(moment))

    def ticks_between(
        self, after: datetime, until: datetime, *, limit: int = 1000
    ) -> list[datetime]:
        """
        Return the times later than *after* and not later than *until*, oldest first, in UTC.

        If there are more than *limit*, return the latest, without computing the others: a year that
        was missed costs no more than a day.
        """
        window = _FIRST_WINDOW
        while True:
            reaches_back = until - after <= window
            start = after if reaches_back else until - window
            ticks = list(takewhile(lambda tick: tick <= until, self._ticks(start)))
            if reaches_back or len(ticks) >= limit:
                return ticks[-limit:] if limit else []
            window *= _WINDOW_GROWTH

    def _ticks(self, after: datetime) -> Iterator[datetime]:
        from cronsim import CronSim

        if after.tzinfo is None:
            raise ValueError("a crontab needs aware times, such as datetime.now(UTC)")
        text = _NICKNAMES.get(self.text.strip().lower(), self.text)
        last = after.astimezone(UTC)
        for local in CronSim(text, after.astimezone(ZoneInfo(self.timezone))):
            tick = local.astimezone(UTC)
            # In the second pass of an hour that comes twice, cronsim returns the first again.
            if tick > last:
                yield tick
                last = tick
