"""Numbers read well, whatever their size."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.analysis import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.04, "0"),
        (7.0001, "7"),
        (5.36, "5.4"),
        (9_870, "9,870"),
        (12_345, "12.3K"),
        (123_456, "123K"),
        (999_999, "1M"),
        (609_282_099, "609M"),
        (1_230_000_000, "1.23B"),
        (-45_600, "−45.6K"),
    ],
)
def test_wording_short_numbers(value: float, text: str) -> None:
    """Numbers have at most four digits, with a unit from ten thousand on."""
    assert wording.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(420, "+420"), (-1.23, "−1.2"), (-0.031, "−0.03"), (0.0004, "±0"), (0, "±0")],
)
def test_wording_steps(value: float, text: str) -> None:
    """A change keeps its direction, however small it is."""
    assert wording.step(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.184, "+18%"),
        (0.9, "−10%"),
        (1.001, "±0%"),
        (2.09, "+109%"),
        (12.3, "12×"),
        (0.0, "−100%"),
    ],
)
def test_wording_changes(ratio: float, text: str) -> None:
    """Ratios become percentages with a true minus sign, very large ones multiples."""
    assert wording.change(ratio) == text


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (1.89, 0.58, 11.2, ("+89%", "−42% to +1,020%")),
        (12.0, 4.76, 28.3, ("12×", "4.8× to 28×")),
    ],
)
def test_wording_of_a_change_and_its_interval_is_one(
    ratio: float, low: float, high: float, expected: tuple[str, str]
) -> None:
    """A change and its interval are both percentages or both multiples."""
    assert wording.change_within(ratio, low, high) == expected


@pytest.mark.parametrize(("ratio", "text"), [(0.354, "0.35×"), (1.44, "1.4×"), (1234.0, "1,234×")])
def test_wording_multiples(ratio: float, text: str) -> None:
    """Multiples have as many digits as matter."""
    assert wording.times(ratio) == text


def test_wording_signs_and_periods() -> None:
    """A minus is a real one, and a year is given once where once is enough."""
    assert wording.signed(-1_500) == "−1,500"
    assert wording.period(date(2026, 1, 17), date(2026, 2, 10)) == "17 Jan – 10 Feb 2026"
    assert wording.period(date(2025, 1, 7), date(2026, 2, 1)) == "7 Jan 2025 – 1 Feb 2026"


def test_wording_of_changes_and_lists() -> None:
    """Changes have a sign unless zero; one day is not a period; lists read as sentences."""
    assert [wording.step(x) for x in (420, -1.23, 0.0, 0.04, -12_345)] == [
        "+420",
        "−1.2",
        "±0",
        "+0.04",
        "−12.3K",
    ]
    assert wording.steps(-900, 80) == "−900 to +80"
    assert wording.listed(["views"]) == "views"
    assert wording.listed(["views", "likes", "comments"]) == "views, likes and comments"
    same = date(2023, 6, 4)
    assert wording.period(same, same) == "4 Jun 2023"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "gains of 2014-11-21 to 2024-08-01, by days",
            "gains of 21 Nov 2014 to 1 Aug 2024, by days",
        ),
        ("counted from 2024-02-29.", "counted from 29 Feb 2024."),
        ("posts_2024-01-01_2024-01-28.csv is cut", "posts_2024-01-01_2024-01-28.csv is cut"),
        ("read of 2024-01-01.csv, 2024-13-41", "read of 2024-01-01.csv, 2024-13-41"),
    ],
)
def test_a_sources_days_are_written_as_the_reports(text: str, expected: str) -> None:
    """One form in a report; a name of a file stays what it is."""
    assert wording.with_days(text) == expected
