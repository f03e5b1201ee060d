"""The permutation test keeps its level and finds real differences."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.recommendations.permutation import SMALLEST, holm, permutation_p, with_memory

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
        below += int((permutation_p(rng.normal(size=50), strata, members) <= 0.05).sum())
    assert below / 400 == pytest.approx(0.05, abs=0.03)


def test_permutation_sees_a_difference() -> None:
    """Members one standard deviation above the others are found, from either side."""
    rng = np.random.default_rng(2)
    score = rng.normal(size=80)
    score[::2] += 1.2
    strata = np.zeros(80, dtype=np.intp)
    assert permutation_p(score, strata, halves(80))[0] < 0.01
    assert permutation_p(-score, strata, halves(80))[0] < 0.01


def test_permutation_is_not_fooled_by_strata() -> None:
    """Members from the better half of the time are not called better for that."""
    rng = np.random.default_rng(3)
    strata = np.repeat([0, 1], 40).astype(np.intp)
    score = rng.normal(size=80) + 5 * strata
    members = (rng.random(80) < np.where(strata == 1, 0.8, 0.2))[:, None]
    assert permutation_p(score, strata, members)[0] > 0.05


def every_sum(
    score: np.ndarray[tuple[int], np.dtype[np.float64]],
    strata: np.ndarray[tuple[int], np.dtype[np.intp]],
    members: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the members' sum of centred scores under each permutation."""
    sums = np.zeros(1)
    for label in np.unique(strata):
        own = score[strata == label] - score[strata == label].mean()
        drawn = combinations(own.tolist(), int(np.count_nonzero(members[strata == label])))
        sums = np.add.outer(sums, [sum(each) for each in drawn]).ravel()
    return sums


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 6]))
def test_permutation_p_is_the_share_of_all_permutations(seed: int, decimals: int) -> None:
    """Counted one by one, also where many scores are equal, the share is never larger."""
    rng = np.random.default_rng(seed)
    strata = np.repeat([0, 1, 2], [9, 7, 5]).astype(np.intp)
    members = np.zeros(21, dtype=np.bool_)
    members[rng.choice(21, size=6, replace=False)] = True
    score = np.round(rng.normal(size=21) + rng.choice([0, 1]) * members, decimals)
    sums = np.abs(every_sum(score, strata, members))
    centred = score - np.array([score[strata == each].mean() for each in strata])
    observed = abs(float(centred[members].sum()))

    p = permutation_p(score, strata, members[:, None])[0]

    near = 0.07 * np.sqrt(np.mean(sums**2))
    below, above = (float(np.mean(sums >= observed - x)) for x in (1e-9, near))
    assert 0.999 * below <= p <= max(1.001 * above, SMALLEST)


def test_permutation_p_is_what_draws_come_near_to() -> None:
    """Draws under five seeds scatter about it, within their error; it has none of its own."""
    rng = np.random.default_rng(6)
    strata = np.repeat(np.arange(10), 20).astype(np.intp)
    members = rng.random((200, 4)) < [0.1, 0.3, 0.5, 0.8]
    score = rng.normal(size=200) + 0.3 * members[:, 1] + 0.2 * members[:, 2]
    p = permutation_p(score, strata, members)
    centred = score.reshape(10, 20) - score.reshape(10, 20).mean(axis=1, keepdims=True)
    observed = np.abs(centred.ravel() @ members)
    for seed in range(5):
        draws = np.random.default_rng(seed).permuted(np.tile(centred, (4_000, 1, 1)), axis=2)
        share = np.mean(np.abs(draws.reshape(4_000, 200) @ members) >= observed, axis=0)
        np.testing.assert_allclose(share, p, atol=4 * np.sqrt(0.25 / 4_000))
        np.testing.assert_array_equal(permutation_p(score, strata, members), p)


def test_permutation_p_is_never_zero() -> None:
    """However clear, a p-value has a floor, at which the effects decide."""
    score = np.where(np.arange(60) % 2 == 0, 10.0, 0.0)
    p = permutation_p(score, np.zeros(60, dtype=np.intp), halves(60))
    assert p[0] == SMALLEST


def test_permutation_of_equal_scores_finds_nothing() -> None:
    """If nothing varies, every shuffle is as extreme as the observation."""
    p = permutation_p(np.ones(30), np.zeros(30, dtype=np.intp), halves(30))
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


def test_with_memory_rejects_less_where_neighbours_are_alike() -> None:
    """Of series in a row, and luck that lasts, fewer are below 0.05: the most surely wrong go."""
    rng = np.random.default_rng(4)
    strata = np.repeat(np.arange(5), 20).astype(np.intp)
    plain = corrected = 0
    for _ in range(200):
        score, latent = rng.normal(size=100), rng.normal(size=(100, 2))
        for i in range(1, 100):
            score[i] += 0.3 * score[i - 1]
            latent[i] += 0.8 * latent[i - 1]
        members = latent > 0.5
        p = permutation_p(score, strata, members)
        wider = with_memory(p, score, strata, members)
        assert (wider >= p).all()
        plain += int((p <= 0.05).sum())
        corrected += int((wider <= 0.05).sum())
    assert corrected < 0.85 * plain
    assert corrected / 400 == pytest.approx(0.05, abs=0.035)


def test_with_memory_leaves_a_series_of_every_third_item() -> None:
    """A difference that repeats itself is the question, and no memory of luck."""
    score = np.random.default_rng(5).normal(size=90)
    members = np.arange(90)[:, None] % 3 == 0
    score[members[:, 0]] += 2
    strata = np.repeat([0, 1, 2], 30).astype(np.intp)
    assert with_memory(permutation_p(score, strata, members), score, strata, members)[0] < 0.001
