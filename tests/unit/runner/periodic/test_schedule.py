"""Ticks of periodic jobs: which are enqueued, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner import CatchUp, Context, Periodic, job
from runner.errors import ArgumentsError, ConfigurationError

_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@job(queue="default")
async def tidy(ctx: Context, days: int = 30) -> None:
    """Stand for any periodic job."""
    raise NotImplementedError(ctx, days)


def _periodic(
    crontab: str = "0 * * * *", *, timezone: str = "UTC", catch_up: CatchUp = CatchUp.LAST
) -> Periodic:
    return Periodic("tidy", tidy, crontab, timezone=timezone, catch_up=catch_up)


def _hours_ago(hours: float) -> datetime:
    return _NOON - timedelta(hours=hours)


def test_due_ticks_of_a_new_schedule_are_none() -> None:
    """A schedule that has never run starts with its next tick, not with past ones."""
    assert _periodic().due_ticks(None, _NOON) == []


def test_due_ticks_are_those_since_the_last_one() -> None:
    """A tick is due from its moment on, until it is enqueued."""
    periodic = _periodic()

    assert periodic.due_ticks(_hours_ago(1), _NOON - timedelta(seconds=1)) == []
    assert periodic.due_ticks(_hours_ago(1), _NOON) == [_NOON]
    assert periodic.due_ticks(_NOON, _NOON + timedelta(seconds=15)) == []


@pytest.mark.parametrize(
    ("catch_up", "hours"), [(CatchUp.ALL, [3, 2, 1, 0]), (CatchUp.LAST, [0]), (CatchUp.NONE, [0])]
)
def test_due_ticks_after_an_outage_follow_the_policy(catch_up: CatchUp, hours: list[int]) -> None:
    """After four hours of outage: all ticks in order, or the last, or the one that is due now."""
    periodic = _periodic(catch_up=catch_up)

    assert periodic.due_ticks(_hours_ago(4), _NOON) == [_hours_ago(hour) for hour in hours]


def test_due_ticks_that_were_missed_are_left_out_where_that_is_asked_for() -> None:
    """`CatchUp.NONE` drops a tick that was not enqueued within a minute."""
    late = _NOON + timedelta(minutes=30)

    assert _periodic(catch_up=CatchUp.NONE).due_ticks(_hours_ago(4), late) == []
    assert _periodic(catch_up=CatchUp.LAST).due_ticks(_hours_ago(4), late) == [_NOON]


def test_due_ticks_of_a_long_outage_are_bounded() -> None:
    """A year of missed minutes does not flood the queue: only the latest thousand run."""
    ticks = _periodic("* * * * *", catch_up=CatchUp.ALL).due_ticks(_hours_ago(366 * 24), _NOON)

    assert len(ticks) == 1000
    assert ticks[-1] == _NOON


def test_due_ticks_at_the_start_of_summer_time_run_once() -> None:
    """02:30 does not exist in Berlin on 29 March 2026: the job runs at the end of the gap."""
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    periodic = _periodic("30 2 * * *", timezone="Europe/Berlin", catch_up=CatchUp.ALL)

    ticks = periodic.due_ticks(before, before + timedelta(days=2))

    assert ticks == [
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]


def test_due_ticks_at_the_end_of_summer_time_run_once() -> None:
    """02:30 comes twice in Berlin on 25 October 2026: the job runs in the first pass."""
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    periodic = _periodic("30 2 * * *", timezone="Europe/Berlin", catch_up=CatchUp.ALL)

    ticks = periodic.due_ticks(before, before + timedelta(days=2))

    assert ticks == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    ]


def test_periodic_is_refused_where_it_is_written() -> None:
    """A wrong crontab, time zone or argument fails at import, not at night."""
    with pytest.raises(ConfigurationError, match="crontab '61"):
        Periodic("tidy", tidy, "61 * * * *")
    with pytest.raises(ConfigurationError, match="Europe/Bärlin"):
        Periodic("tidy", tidy, "0 * * * *", timezone="Europe/Bärlin")
    with pytest.raises(ArgumentsError, match="days"):
        Periodic("tidy", tidy, "0 * * * *", {"days": "many"})
