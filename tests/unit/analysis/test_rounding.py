"""Rounded counters are recognised, and exact ones left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.rounding import is_rounded, resolution_at


@pytest.mark.parametrize(
    ("readings", "rounded"),
    [
        ([115_000, 116_000, 117_000], True),
        ([2_690_000], True),
        ([10_200], True),
        ([1_230], False),
        ([1_230, 1_240], True),
        ([115_000, 115_001], False),
        ([999, 998, 12], False),
        ([], False),
    ],
)
def test_rounding_is_distinguished_from_chance(readings: list[int], *, rounded: bool) -> None:
    """Three significant digits throughout mean rounding once chance is ruled out."""
    assert is_rounded(np.array(readings, dtype=float)) is rounded


@given(st.lists(st.integers(1, 10**10), min_size=1))
def test_rounding_keeps_what_rounding_makes(exact: list[int]) -> None:
    """A counter rounded to three digits never looks exact, if it has enough digits."""
    values = np.array(exact, dtype=float)
    steps = resolution_at(values)
    cut = np.floor(values / steps) * steps
    assert is_rounded(cut) or np.prod(resolution_at(np.unique(cut))) < 100
    assert ((values >= cut) & (values < cut + steps)).all()


def test_rounding_resolution_follows_the_magnitude() -> None:
    """The step is one below a thousand, and grows with every digit."""
    found = resolution_at(np.array([5, 999, 1_000, 12_300, 2_690_000], dtype=float))
    np.testing.assert_array_equal(found, [1, 1, 10, 100, 10_000])
