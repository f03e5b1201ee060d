"""Whole numbers with marks between thousands: what a mark means is judged by column."""

from __future__ import annotations

import pytest

from jobs.sources.values import numbers


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["4,321", "17"], [4321, 17]),
        (["4.321", "17"], [4321, 17]),
        (["4 321"], [4321]),
        (["4\u202f321"], [4321]),
        (["4\u00a0321\u00a0000"], [4_321_000]),
        (["4'321"], [4321]),
        (["1.234.567"], [1_234_567]),
        (["12,34,567", "98,765"], [1_234_567, 98_765]),
        (["4,321.0", "4,322.50"], [4321, None]),
        (["-4.321"], [-4321]),
        (["\u22125"], [-5]),
        (["१२३", "४"], [123, 4]),
        (["\uff11\uff12"], [12]),
        (["12.0", "5.00"], [12, 5]),
        (["2.28E+11"], [228_000_000_000]),
        (["0.000"], [0]),
        (["12.5", "4.321"], [None, None]),
        (["1e3", "NaN", "1,23", "", "9" * 20], [None] * 5),
    ],
)
def test_marks_are_judged_by_column(cells: list[str], expected: list[int | None]) -> None:
    """A mark before three digits stands between thousands, unless its column says otherwise."""
    read = numbers.reader(cells)
    assert [read(cell) for cell in cells] == expected


def test_what_nobody_can_say_is_no_number() -> None:
    """`5.000` alone may be five or five thousand; beside 1200 it is five."""
    alone = numbers.reader(["5.000", "6.000"])
    assert alone("5.000") is None
    beside = numbers.reader(["5.000", "1200"])
    assert beside("5.000") == 5
    assert numbers.reader(["5.000"], thousands=".")("5.000") == 5000
