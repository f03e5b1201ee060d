"""Rows of a list that are none of its own."""

from __future__ import annotations

import pytest

from jobs.sources.values.totals import is_total


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Total", True),
        (" Gesamtsumme: ", True),
        ("**合計**", True),
        ("Średnia", True),
        ("Average", True),
        ("Total War, part 3", False),
        ("On average", False),
        ("", False),
    ],
)
def test_sums_and_means_are_no_items(cell: str, expected: bool) -> None:  # noqa: FBT001
    """In many languages, with marks around; a title that only begins so is an item."""
    assert is_total(cell) is expected
