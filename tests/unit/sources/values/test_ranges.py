"""Ranges of days as exports write them into names and cells."""

from __future__ import annotations

import pytest

from jobs.sources.values.ranges import range_in, range_in_names, ranges_in


@pytest.mark.parametrize(
    "name",
    [
        "Content 2024-08-01_2024-08-28 My Show",
        "Aug-01-2024_Aug-28-2024_1234567890.csv",
        "a 20240801-20240828.csv",
        "01.08.2024-28.08.2024.csv",
        "posts 1 Aug 2024 - 28 Aug 2024",
        "Aug 1, 2024 \u2013 Aug 28, 2024",
        "2024_08_01_2024_08_28",
        "1 de agosto de 2024 a 28 de agosto de 2024",
        "export 2024-08-01 to 2024-08-28 (1).csv",
        "1.8.2024 bis 28.8.2024",
        "01-08-2024_28-08-2024",
        "2024年8月1日\uff5e2024年8月28日",
    ],
)
def test_a_range_is_found_in_a_name(name: str) -> None:
    """Whatever wrote it: its first and its last day, both of them in it."""
    found = range_in(name)
    assert found is not None
    assert (str(found.first), str(found.last), found.days) == ("2024-08-01", "2024-08-28", 28)


@pytest.mark.parametrize(
    "name",
    [
        "Overview_2025-08-28_1756400000_NAME",
        "list_2021-04-08T122223Z.csv",
        "03-04-2024_05-04-2024.csv",
        "2024-02-01_2024-01-01.csv",
        "2098-01-01_2099-01-01.csv",
        "2024-01-01_2024-01-28 2024-02-01_2024-02-28",
        "12345678-12345679",
        "2024-01-01_2024-13-28",
    ],
)
def test_what_may_be_another_thing_is_no_range(name: str) -> None:
    """One day, two ranges, day and month that nothing tells apart, an end before the beginning."""
    assert range_in(name) is None


def test_cells_of_a_column_tell_day_from_month_together() -> None:
    """The first alone may be of January and July."""
    first, second = ranges_in(["01/01/2024 - 07/01/2024", "22/01/2024 - 28/01/2024"])
    assert first
    assert second
    assert (str(first.last), second.days) == ("2024-01-07", 7)


def test_a_files_own_name_goes_before_its_folders() -> None:
    """They are looked at in the order given."""
    names = ["list.csv", "2024-01-01_2024-01-28", "2023-01-01_2023-12-31"]
    found = range_in_names(names)
    assert found
    assert found.first.year == 2024
