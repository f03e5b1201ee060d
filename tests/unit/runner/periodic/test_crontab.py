"""When crontabs come due, also on days of 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import ConfigurationError
from runner.periodic.crontab import Crontab

BERLIN = "Europe/Berlin"  # forward 2026-03-29 02:00 → 03:00, back 2026-10-25 03:00 → 02:00
NEW_YORK = "America/New_York"  # forward 2026-03-08 02:00 → 03:00, back 2026-11-01 02:00 → 01:00


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _day(crontab: Crontab, day: str, days: int = 1) -> list[str]:
    """Return the ticks of local days as UTC times."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(crontab.timezone))
    end = start + timedelta(days=days)  # wall-clock arithmetic: to the next local midnight
    moment = timedelta(microseconds=1)
    ticks = crontab.ticks_between(start.astimezone(UTC) - moment, end.astimezone(UTC) - moment)
    return [f"{tick:%d %H:%M}" for tick in ticks]


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("* * * * *", "2026-01-31T12:00:00", "2026-01-31T12:01:00"),
        ("* * * * *", "2026-01-31T12:00:00.000001", "2026-01-31T12:01:00"),
        ("* * * * *", "2026-01-31T11:59:59.999999", "2026-01-31T12:00:00"),
        ("*/15 * * * *", "2026-01-31T23:50:00", "2026-02-01T00:00:00"),
        ("0 6 * * MON-FRI", "2026-01-30T06:00:00", "2026-02-02T06:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 L * *", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("*/15 * * * * *", "2026-01-31T12:00:01", "2026-01-31T12:00:15"),
        ("@daily", "2026-01-31T12:00:00", "2026-02-01T00:00:00"),
        (" @Hourly ", "2026-01-31T12:00:00", "2026-01-31T13:00:00"),
    ],
)
def test_next_after_is_strictly_later(text: str, after: str, expected: str) -> None:
    """The next tick is later than the given moment, even if only by a microsecond."""
    assert Crontab(text).next_after(_utc(after)) == _utc(expected)


def test_times_are_utc_whatever_they_are_asked_in() -> None:
    """The moment may be in any zone; the result is in UTC."""
    asked = datetime(2026, 1, 31, 12, 0, tzinfo=ZoneInfo("Asia/Tokyo"))

    tick = Crontab("0 9 * * *", BERLIN).next_after(asked)

    assert (tick, tick.tzinfo) == (_utc("2026-01-31T08:00:00"), UTC)


@pytest.mark.parametrize(
    ("timezone", "day", "text", "ticks"),
    [
        # The gap: what falls into it comes once, when it is over.
        (BERLIN, "2026-03-29", "30 2 * * *", ["29 01:00"]),
        (BERLIN, "2026-03-29", "15,45 2 * * *", ["29 01:00"]),
        (BERLIN, "2026-03-29", "0 2,3 * * *", ["29 01:00"]),
        (BERLIN, "2026-03-29", "0 6 * * *", ["29 04:00"]),
        (
            BERLIN,
            "2026-03-29",
            "30 0-4 * * *",
            ["28 23:30", "29 00:30", "29 01:00", "29 01:30", "29 02:30"],
        ),
        (BERLIN, "2026-03-29", "*/30 2 * * *", []),
        (NEW_YORK, "2026-03-08", "30 2 * * *", ["08 07:00"]),
        # The hour that comes twice: fixed times come in its first pass only.
        (BERLIN, "2026-10-25", "30 2 * * *", ["25 00:30"]),
        (BERLIN, "2026-10-25", "*/30 2 * * *", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        (BERLIN, "2026-10-25", "30 1,2,3 * * *", ["24 23:30", "25 00:30", "25 02:30"]),
        (NEW_YORK, "2026-11-01", "30 1 * * *", ["01 05:30"]),
        (NEW_YORK, "2026-11-01", "*/30 1 * * *", ["01 05:00", "01 05:30", "01 06:00", "01 06:30"]),
    ],
)
def test_change_of_clocks(timezone: str, day: str, text: str, ticks: list[str]) -> None:
    """A daily job runs once on the days of a change; one bound to the clock follows the clock."""
    assert _day(Crontab(text, timezone), day) == ticks


@pytest.mark.parametrize(
    ("timezone", "day", "hours"),
    [
        (BERLIN, "2026-03-29", 23),
        (BERLIN, "2026-10-25", 25),
        (NEW_YORK, "2026-03-08", 23),
        (NEW_YORK, "2026-11-01", 25),
    ],
)
def test_hourly_comes_once_in_every_hour_that_passes(timezone: str, day: str, hours: int) -> None:
    """Neither skipped nor doubled: an hour apart, on short and long days."""
    crontab = Crontab("30 * * * *", timezone)
    assert len(_day(crontab, day)) == hours

    tick = crontab.next_after(_utc(f"{day}T00:00:00") - timedelta(days=1))
    for _ in range(60):
        following = crontab.next_after(tick)
        assert following - tick == timedelta(hours=1)
        tick = following


def test_next_after_never_goes_back_in_the_second_pass() -> None:
    """At 02:10 for the second time, the job of 02:30 is next due tomorrow."""
    crontab = Crontab("30 2 * * *", BERLIN)

    assert crontab.next_after(_utc("2026-10-25T01:10:00")) == _utc("2026-10-26T01:30:00")


def test_ticks_between_includes_the_end_and_not_the_beginning() -> None:
    """Windows that follow one another share no tick and miss none."""
    crontab = Crontab("0 * * * *")
    start, middle, end = (_utc(f"2026-01-31T{hour}:00:00") for hour in ("06", "08", "10"))

    assert crontab.ticks_between(start, middle) == [_utc("2026-01-31T07:00:00"), middle]
    assert crontab.ticks_between(middle, end) == [_utc("2026-01-31T09:00:00"), end]
    assert crontab.ticks_between(end, end) == []
    assert crontab.ticks_between(end, start) == []


def test_ticks_between_gives_the_latest_of_too_many() -> None:
    """Ten years of a job of every second cost nothing: it searches from the end."""
    crontab = Crontab("* * * * * *")
    start, end = _utc("2016-01-01T00:00:00"), _utc("2026-01-01T00:00:00")

    ticks = crontab.ticks_between(start, end, limit=3)

    assert ticks == [end - timedelta(seconds=2), end - timedelta(seconds=1), end]
    assert crontab.ticks_between(start, end, limit=0) == []


def test_ticks_between_finds_a_rare_tick_far_back() -> None:
    """The latest tick may be years ago."""
    crontab = Crontab("0 0 29 2 *")

    ticks = crontab.ticks_between(_utc("2016-01-01T00:00:00"), _utc("2026-01-01T00:00:00"), limit=1)

    assert ticks == [_utc("2024-02-29T00:00:00")]


@settings(max_examples=100, deadline=None)
@given(
    text=st.sampled_from(
        [
            "30 2 * * *",
            "*/20 * * * *",
            "15,45 1-3 * * *",
            "0 0 * * SUN",
            "*/30 2 * * *",
            "0 3 L * *",
        ]
    ),
    timezone=st.sampled_from([BERLIN, NEW_YORK, "UTC", "Australia/Lord_Howe", "Africa/Cairo"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),  # noqa: DTZ001
    hours=st.integers(0, 24 * 40),
    limit=st.integers(1, 50),
)
def test_ticks_between_agrees_with_next_after(
    text: str, timezone: str, start: datetime, hours: int, limit: int
) -> None:
    """Step by step or all at once, from any start: the same ticks."""
    crontab = Crontab(text, timezone)
    after = start.replace(tzinfo=UTC)
    until = after + timedelta(hours=hours)
    steps: list[datetime] = []
    tick = crontab.next_after(after)
    while tick <= until:
        steps.append(tick)
        tick = crontab.next_after(tick)

    assert crontab.ticks_between(after, until, limit=limit) == steps[-limit:]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "wrong number of fields"),
        ("* * * *", "wrong number of fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * * * MOO", "bad day-of-week"),
        ("5-1 * * * *", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 31 4,6,9,11 *", "bad day-of-month"),
        ("0 0 * * {'mon'}", "bad day-of-week"),
        ("0 0 30 2 */2", "bad day-of-month"),
        ("0 0 1-5 * */7#5", "bad"),
        ("@reboot", "wrong number of fields"),
    ],
)
def test_bad_text_is_one_clear_line(text: str, problem: str) -> None:
    """The error quotes the text and says what is wrong; dates that never come are refused, too."""
    with pytest.raises(ConfigurationError) as raised:
        Crontab(text)

    assert repr(text) in str(raised.value)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_date_that_never_comes_is_refused() -> None:
    """Each field of a fifth Monday within the first week is right, but there is no such date."""
    with pytest.raises(ConfigurationError, match="no such date in 50 years"):
        Crontab("0 0 */40 * MON#5")


@pytest.mark.parametrize("timezone", ["Europe/Atlantis", "", "../etc/passwd", "Europe"])
def test_unknown_time_zone_is_one_clear_line(timezone: str) -> None:
    """The error names the zone and shows how to write one."""
    with pytest.raises(ConfigurationError, match="Europe/Berlin"):
        Crontab("* * * * *", timezone)


def test_a_naive_time_is_refused() -> None:
    """It has no zone whose clocks could count."""
    with pytest.raises(ValueError, match="aware"):
        Crontab("* * * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001


def test_crontabs_compare_by_value() -> None:
    """A schedule that was loaded again has not changed."""
    assert Crontab("* * * * *") == Crontab("* * * * *")
    assert len({Crontab("* * * * *"), Crontab("* * * * *", BERLIN)}) == 2
