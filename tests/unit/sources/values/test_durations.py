"""Durations: whole seconds, or None; never an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sources.values import durations


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("PT10M5S", 605),
        ("PT1H2M3S", 3723),
        ("P1DT2H", 93_600),
        ("P0D", 0),
        ("PT0S", 0),
        ("PT1.9S", 1),
        ("P1W", 604_800),
        (" PT5M ", 300),
        ("P", None),
        ("PT", None),
        ("P1Y", None),
        ("P1M", None),
        ("PT999999999H", None),
        ("10:05", None),
        ("", None),
        ("PT-5M", None),
        ("PT٣M", None),
    ],
)
def test_from_iso8601_reads_fixed_lengths_only(text: str, duration_s: int | None) -> None:
    """An ISO 8601 duration gives whole seconds; one without a fixed length gives None."""
    assert durations.from_iso8601(text) == duration_s


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("3581", 3581),
        ("0", 0),
        ("05:09", 309),
        ("1:09:50", 4190),
        ("0:26:44", 1604),
        ("90:00", 5400),
        ("12.7", 12),
        ("01:02:03.500", 3723),
        ("", None),
        ("N/A", None),
        ("-5", None),
        ("1:2:3:4", None),
        (":30", None),
        ("99999999999999999999", None),
        ("999999999:00:00", None),
    ],
)
def test_from_clock_reads_seconds_and_clock_times(text: str, duration_s: int | None) -> None:
    """Seconds, MM:SS and HH:MM:SS give seconds; anything else, or absurdly long, gives None."""
    assert durations.from_clock(text) == duration_s


@given(st.text() | st.from_regex(r"P?T?[\dDHMSW:.,-]{0,30}"))
def test_durations_never_crash(text: str) -> None:
    """Any text is a duration of zero to a year, or none."""
    for parse in (durations.from_iso8601, durations.from_clock):
        duration_s = parse(text)
        assert duration_s is None or 0 <= duration_s <= durations.MAX_S


@given(st.integers(0, 86_399))
def test_durations_agree_in_every_form(duration_s: int) -> None:
    """The same duration reads the same, however it is written."""
    minutes, seconds = divmod(duration_s, 60)
    hours, minutes = divmod(minutes, 60)
    assert durations.from_clock(str(duration_s)) == duration_s
    assert durations.from_clock(f"{hours}:{minutes:02}:{seconds:02}") == duration_s
    assert durations.from_iso8601(f"PT{hours}H{minutes}M{seconds}S") == duration_s
