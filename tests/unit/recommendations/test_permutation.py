"""The permutation test keeps its level and finds real differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.recommendations.permutation import holm, permutation_p

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


def halves(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Split *n* items into the even and the odd."""
    even: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = np.arange(n).reshape(n, 1) % 2 == 0
    return even


def test_permutation_rejects_nothing_too_often() -> None:
    """Among 400 questions about noise, about 5 % are below 0.05."""
    rng = np.random.default_rng(1)
    below = 0
    for _ in range(40):
        members = rng.random((50, 10)) < 0.3
        strata = np.repeat([0, 1], 25).astype(np.intp)
        below += int((permutation_p(rng.normal(size=50), strata, members, rng) <= 0.05).sum())
    assert below / 400 == pytest.approx(0.05, abs=0.03)


def test_permutation_sees_a_difference() -> None:
    """Members one standard deviation above the others are found, from either side."""
    rng = np.random.default_rng(2)
    score = rng.normal(size=80)
    score[::2] += 1.2
    strata = np.zeros(80, dtype=np.intp)
    assert permutation_p(score, strata, halves(80), rng)[0] < 0.01
    assert permutation_p(-score, strata, halves(80), rng)[0] < 0.01


def test_permutation_is_not_fooled_by_strata() -> None:
    """Members from the better half of the time are not called better for that."""
    rng = np.random.default_rng(3)
    strata = np.repeat([0, 1], 40).astype(np.intp)
    score = rng.normal(size=80) + 5 * strata
    members = (rng.random(80) < np.where(strata == 1, 0.8, 0.2))[:, None]
    assert permutation_p(score, strata, members, rng)[0] > 0.05


def test_permutation_p_is_never_zero() -> None:
    """However clear, a p-value from finitely many draws has a floor."""
    score = np.where(np.arange(60) % 2 == 0, 10.0, 0.0)
    rng = np.random.default_rng(4)
    p = permutation_p(score, np.zeros(60, dtype=np.intp), halves(60), rng)
    assert p[0] == pytest.approx(1e-4)


def test_permutation_of_equal_scores_finds_nothing() -> None:
    """If nothing varies, every shuffle is as extreme as the observation."""
    rng = np.random.default_rng(5)
    p = permutation_p(np.ones(30), np.zeros(30, dtype=np.intp), halves(30), rng)
    np.testing.assert_array_equal(p, 1)


def test_holm_matches_the_book() -> None:
    """The result is that of Holm's procedure on four p-values."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(p_values)
def test_holm_never_flatters(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Adjusted values are at least as large, at most 1, and in the same order."""
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
