"""Quiet hours and digests follow the clock of their time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.notifications.timing import QuietHours, Timing
from runner.errors import ConfigurationError
from runner.periodic.crontab import Crontab

PARIS = "Europe/Paris"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-10T20:59", None),
        ("2026-01-10T21:00", "2026-01-11T06:00"),
        ("2026-01-11T02:00", "2026-01-11T06:00"),
        ("2026-01-11T05:59", "2026-01-11T06:00"),
        ("2026-01-11T06:00", None),
        # The night when Paris switches to summer time is an hour shorter.
        ("2026-03-28T22:00", "2026-03-29T05:00"),
    ],
)
def test_quiet_hours_go_over_midnight(now: str, end: str | None) -> None:
    """Quiet hours run from 22:00 until 7:00 of the next morning in Paris."""
    quiet = QuietHours.parse("22:00-07:00", PARIS)
    assert quiet.end_after(_utc(now)) == (end and _utc(end))


def test_quiet_hours_of_one_day() -> None:
    """A span within a day begins and ends on that day."""
    quiet = QuietHours.parse("12:00 – 14:30", "UTC")
    assert quiet.end_after(_utc("2026-01-10T14:29")) == _utc("2026-01-10T14:30")
    assert quiet.end_after(_utc("2026-01-10T14:30")) is None


@pytest.mark.parametrize("text", ["", "22-7", "22:00", "25:00-07:00", "22:60-07:00", "8:00-8:00"])
def test_wrong_quiet_hours_are_refused(text: str) -> None:
    """An invalid span is refused, with an example."""
    with pytest.raises(ConfigurationError, match=r"write a span of hours such as 22:00-07:00"):
        QuietHours.parse(text, "UTC")


def test_digest_gathers_until_its_next_time() -> None:
    """Events between two times of the crontab are due at the later one."""
    timing = Timing(digest=Crontab("0 8 * * mon-fri", PARIS))
    friday = _utc("2026-01-09T07:30")
    assert timing.due_at(friday) == _utc("2026-01-12T07:00")


def test_digest_does_not_break_the_quiet() -> None:
    """A digest that falls into quiet hours is sent at their end."""
    timing = Timing(QuietHours.parse("22:00-07:00", "UTC"), Crontab("0 * * * *"))
    assert timing.due_at(_utc("2026-01-10T22:10")) == _utc("2026-01-11T07:00")
    assert timing.due_at(_utc("2026-01-10T12:10")) == _utc("2026-01-10T13:00")


def test_without_preferences_it_is_due_at_once() -> None:
    """A target without preferences is notified at once."""
    now = _utc("2026-01-10T22:10")
    assert Timing().due_at(now) == now
    assert not Timing().is_quiet(now)


@given(
    since_2020=st.timedeltas(timedelta(), timedelta(days=3650)),
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    zone=st.sampled_from(["UTC", PARIS, "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_quiet_ends_within_a_day_and_is_over_then(
    since_2020: timedelta, start: int, length: int, zone: str
) -> None:
    """In any zone, quiet hours end in the future, within 25 hours, and are then over."""
    now = _utc("2020-01-01T00:00") + since_2020
    end = (start + length) % 1440
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    quiet = QuietHours.parse(text, zone)
    until = quiet.end_after(now)
    local = now.astimezone(ZoneInfo(zone))
    minutes = local.hour * 60 + local.minute
    assert (until is not None) == ((minutes - start) % 1440 < length)
    if until is not None:
        assert until.astimezone(ZoneInfo(zone)).strftime("%H:%M") == f"{end // 60:02}:{end % 60:02}"
        assert timedelta() < until - now <= timedelta(hours=25)
