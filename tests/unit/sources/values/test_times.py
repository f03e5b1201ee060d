"""Points in time: aware and in UTC, or None; never an error."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sources.values import times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-17", datetime(2026, 1, 17, tzinfo=UTC)),
        ("2026-01-28T00:26:46.333802+00:00", datetime(2026, 1, 28, 0, 26, 46, 333802, UTC)),
        ("2026-06-13T22:01:44+08:00", datetime(2026, 6, 13, 14, 1, 44, tzinfo=UTC)),
        ("2026-01-04T17:15:08Z", datetime(2026, 1, 4, 17, 15, 8, tzinfo=UTC)),
        ("2026-01-04 17:15:08", datetime(2026, 1, 4, 17, 15, 8, tzinfo=UTC)),
        ("2026-02-30", None),
        ("20260117", None),
        ("2026-W03-1", None),
        ("17.01.2026", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31", None),
        ("24.09xcaeyJTx4Co", None),
        ("", None),
    ],
)
def test_from_iso8601_reads_full_dates(text: str, expected: datetime | None) -> None:
    """A full date or time gives UTC; a time without zone is taken for UTC."""
    assert times.from_iso8601(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kurzgesagt_2021-04-08T122223Z.xml", datetime(2021, 4, 8, 12, 22, 23, tzinfo=UTC)),
        ("2021-04-08T12:22:23Z.xml.gz", datetime(2021, 4, 8, 12, 22, 23, tzinfo=UTC)),
        ("2021-13-08T122223Z.xml", None),
        ("2021-04-08T252223Z.xml", None),
        ("feed-2021-04-08.xml", None),
        ("feed.xml", None),
    ],
)
def test_from_name_finds_the_time_of_recording(name: str, expected: datetime | None) -> None:
    """A time within a file name is found; a date alone is no time of recording."""
    assert times.from_name(name) == expected


def test_from_parts_takes_a_leap_second_for_the_one_before() -> None:
    """A leap second, which datetime does not know, becomes the second before it."""
    parts = time.struct_time((2016, 12, 31, 23, 59, 60, 5, 366, 0))
    assert times.from_parts(parts) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@given(st.text() | st.from_regex(r"\d{4}-\d{2}-\d{2}T\d{6}Z.{0,10}"))
def test_times_never_crash(text: str) -> None:
    """Any text is an aware time in UTC, or none."""
    for parse in (times.from_iso8601, times.from_name):
        found = parse(text)
        assert found is None or found.utcoffset() == timedelta(0)


@given(st.tuples(*[st.integers(-(10**6), 10**6)] * 9))
def test_from_parts_never_crashes(parts: tuple[int, ...]) -> None:
    """Any numbers are an aware time in UTC, or none."""
    found = times.from_parts(time.struct_time(parts))
    assert found is None or found.utcoffset() == timedelta(0)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2198, 1, 1)),  # noqa: DTZ001 -- zone is added
    st.integers(-14 * 60, 14 * 60),
)
def test_from_iso8601_keeps_the_moment(moment: datetime, offset_min: int) -> None:
    """A moment is the same in whatever zone it is written."""
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    assert times.from_iso8601(aware.isoformat()) == aware
