"""arq's cron jobs when clocks go forward and back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from arq.cron import cron

from runner.errors import ConfigurationError
from runner.on_arq.cron import next_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from arq.cron import CronJob

BERLIN = ZoneInfo("Europe/Berlin")
# In 2026 Berlin's clocks go from 2:00 to 3:00 on 29 March, and from 3:00 to 2:00 on 25 October.
BEFORE_GAP = datetime(2026, 3, 29, 0, 10, tzinfo=UTC)
BEFORE_FOLD = datetime(2026, 10, 24, 23, 50, tzinfo=UTC)


async def work(ctx: dict[Any, Any]) -> None:
    """Stand for any cron job."""


def _job(**times: Any) -> CronJob:
    coroutine: Any = work
    return cron(coroutine, microsecond=0, **times)


def _times(job: CronJob, after: datetime, zone: tzinfo | None, count: int) -> list[str]:
    shown = []
    for _ in range(count):
        after = next_time(job, after, zone)
        assert after.tzinfo is UTC
        shown.append(after.strftime("%d %H:%M"))
    return shown


@pytest.mark.parametrize(
    ("zone", "expected"),
    [(UTC, "29 04:30"), (BERLIN, "29 02:30"), (ZoneInfo("Asia/Kathmandu"), "29 22:45")],
)
def test_next_time_is_on_the_clocks_of_its_zone(zone: tzinfo, expected: str) -> None:
    """Half past four is half past four in its zone; the result is in UTC."""
    assert _times(_job(hour=4, minute=30), BEFORE_GAP, zone, 1) == [expected]


def test_job_at_any_hour_runs_in_both_passes_of_an_hour() -> None:
    """arq skips an hour; here none is skipped."""
    assert _times(_job(minute={0, 30}), BEFORE_FOLD, BERLIN, 6) == [
        "25 00:00",
        "25 00:30",
        "25 01:00",
        "25 01:30",
        "25 02:00",
        "25 02:30",
    ]


def test_job_at_any_hour_runs_once_where_clocks_jump() -> None:
    """arq goes back in time and repeats itself; here each time comes once."""
    assert _times(_job(minute={0, 30}), BEFORE_GAP, BERLIN, 4) == [
        "29 00:30",
        "29 01:00",
        "29 01:30",
        "29 02:00",
    ]


def test_job_at_a_fixed_hour_runs_once_a_day() -> None:
    """In the first pass of an hour that comes twice, and also on the day without the hour."""
    job = _job(hour=2, minute=30)

    assert _times(job, BEFORE_FOLD, BERLIN, 2) == ["25 00:30", "26 01:30"]
    assert _times(job, BEFORE_GAP, BERLIN, 2) == ["29 01:30", "30 00:30"]


def test_time_after_the_change_is_right_though_asked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a zone the machine's counts, not the offset at the worker's start."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        job = _job(hour=4, minute=0)
        assert _times(job, BEFORE_GAP, None, 1) == ["29 02:00"]
        assert _times(job, BEFORE_FOLD, None, 1) == ["25 03:00"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("start", [BEFORE_GAP, BEFORE_FOLD])
def test_every_hour_comes_once(start: datetime) -> None:
    """Each hour over a clock change, and none twice."""
    job, moment = _job(minute=0), start.replace(minute=0) - timedelta(days=1)
    for _ in range(48):
        later = next_time(job, moment, BERLIN)
        assert later - moment == timedelta(hours=1)
        moment = later


def test_date_that_never_comes_is_refused() -> None:
    """arq searches until the calendar ends, and then its worker dies."""
    with pytest.raises(ConfigurationError, match="never comes"):
        next_time(_job(month=2, day=30), BEFORE_GAP, BERLIN)
