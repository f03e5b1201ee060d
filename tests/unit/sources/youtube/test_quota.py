"""The quota's day is Pacific: it ends at midnight there, also when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.sources.youtube.quota import Quota, QuotaError, quota_day, quota_day_ends
from tests.unit.sources.youtube.ledger import MemoryLedger


@pytest.mark.parametrize(
    ("now", "day", "ends"),
    [
        ("2026-01-17T07:59:59Z", "2026-01-16", "2026-01-17T08:00:00Z"),  # winter: UTC-8
        ("2026-01-17T08:00:00Z", "2026-01-17", "2026-01-18T08:00:00Z"),
        ("2026-07-01T06:59:59Z", "2026-06-30", "2026-07-01T07:00:00Z"),  # summer: UTC-7
        ("2026-03-08T08:00:00Z", "2026-03-08", "2026-03-09T07:00:00Z"),  # a day of 23 hours
        ("2026-11-01T07:00:00Z", "2026-11-01", "2026-11-02T08:00:00Z"),  # a day of 25 hours
    ],
)
def test_day_ends_at_midnight_pacific(now: str, day: str, ends: str) -> None:
    """Each moment belongs to Google's day."""
    moment = datetime.fromisoformat(now)
    assert quota_day(moment) == day
    assert quota_day_ends(moment) == datetime.fromisoformat(ends)


async def test_units_past_the_budget_are_refused_until_the_day_ends() -> None:
    """The error says until when, and the next day has a budget of its own."""
    clock = [datetime(2026, 3, 8, 9, tzinfo=UTC)]
    quota = Quota(MemoryLedger(), "a", 2, now=lambda: clock[0])
    await quota.spend(2, "youtube:UC0")
    with pytest.raises(QuotaError, match=r"2 units for 2026-03-08 .*2026-03-09 07:00 UTC") as error:
        await quota.spend(1, "youtube:UC0")
    assert error.value.until == datetime(2026, 3, 9, 7, tzinfo=UTC)
    clock[0] += timedelta(days=1)
    await quota.spend(1, "youtube:UC0")
    assert await quota.left() == 1
