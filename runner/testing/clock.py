"""The time of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runner import wall_clock
from runner.checks import moment, optional, seconds, unix_ms
from runner.errors import refuse


class Clock:
    """
    Time in a test: it stands still until the test moves it.

    now: when it begins, an aware time; by default at this moment, in whole milliseconds.
    """

    def __init__(self, now: datetime | None = None) -> None:
        refuse("clock", optional(moment("now", now), now))
        began_ms = wall_clock.now_ms() if now is None else unix_ms(now)
        self.now = datetime.fromtimestamp(began_ms / 1000, UTC)

    @property
    def now_ms(self) -> int:
        """Its time, Unix ms."""
        return unix_ms(self.now)

    def advance(self, by_s: float) -> None:
        """Let *by_s* seconds pass."""
        refuse("clock", seconds("by_s", by_s))
        self.now += timedelta(seconds=by_s)
