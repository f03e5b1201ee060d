"""Counts, sizes and times read the same wherever they stand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from runner import wall_clock, wording


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2_522, "2,522 rows")]
)
def test_counted_takes_the_plural_but_for_one(number: int, text: str) -> None:
    """One row, or several of them."""
    assert wording.counted(number, "row") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1 KiB"),
        (12.3 * 2**20, "12.3 MiB"),
        (256 * 2**20, "256 MiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (3 * 2**40, "3 TiB"),
    ],
)
def test_size_has_the_unit_that_suits_it(count: float, text: str) -> None:
    """One decimal, unless that is zero."""
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0126, "13 ms"),
        (1, "1 s"),
        (12.34, "12.3 s"),
        (60, "1 min"),
        (250.9, "4 min 10 s"),
        (3_659, "1 h"),
        (3_660, "1 h 1 min"),
        (3 * 86_400 + 2 * 3_600 + 59, "3 d 2 h"),
    ],
)
def test_span_has_two_units_at_most(seconds: float | None, text: str) -> None:
    """A dash stands where no length is known."""
    assert wording.span(seconds) == text


@pytest.mark.parametrize(
    ("ahead_s", "ago", "due"),
    [
        (-250.5, "4 min 10 s ago", "due"),
        (0.5, "now", "now"),
        (7_260.5, "in 2 h 1 min", "in 2 h 1 min"),
    ],
)
def test_times_are_given_from_now(ahead_s: float, ago: str, due: str) -> None:
    """What is due says so, however long it has been."""
    when = datetime.now(UTC) + timedelta(seconds=ahead_s)
    assert (wording.ago(when), wording.due(when)) == (ago, due)
    assert (wording.ago(None), wording.due(None)) == ("–", "–")


def test_ages_are_counted_by_the_clock_that_is_given() -> None:
    """This machine's clock may be wrong, and that of Redis stood beside what is aged."""
    here = wall_clock.now()
    there = here - timedelta(hours=3)
    try:
        wording.count_ages_from(there)
        assert wording.elapsed(there - timedelta(seconds=90)).startswith("1 min 30 s")
        assert wording.ago(there + timedelta(seconds=60, milliseconds=500)).startswith("in 1 min")
        assert wording.due(there - timedelta(seconds=1)) == "due"
    finally:
        wording.count_ages_from(wall_clock.now())


def test_times_in_a_sentence_become_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a terminal is told by their clock, with the date where it is another one."""
    at = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)
    monkeypatch.setattr(wording, "now", lambda: at)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        said = wording.with_local_times("Due at 22:59:59 UTC, dead since 2026-07-01 08:00:00 UTC.")
        over = wording.with_local_times("Due at 23:10:00 UTC.")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert said == "Due at 23:59:59 UTC+1, dead since 2026-07-01 10:00:00 UTC+2."
    assert over == "Due at 2026-12-01 00:10:00 UTC+1."
