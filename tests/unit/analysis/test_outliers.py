"""Unusual days, and days on which the level changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.change_points import Changes, level_changes, self_normalised_cusum
from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.outliers import Outliers, unusual_days
from jobs.analysis.section import Missing

FIRST = np.datetime64("2026-01-05", "D")
series = st.lists(st.one_of(st.just(float("nan")), st.integers(0, 10**6).map(float)), max_size=70)


def gains(values: list[float]) -> DailyGains:
    """Return *values* as daily gains."""
    days = FIRST + np.arange(len(values)).astype("m8[D]")
    return DailyGains(days, np.array(values, dtype=float))


def noise(days: int, seed: int = 5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Make views that vary by a fifth."""
    return np.random.default_rng(seed).lognormal(8, 0.2, days).round()


@given(series, st.sampled_from([2.0, 1024.0]))
def test_outliers_and_changes_have_no_unit(values: list[float], factor: float) -> None:
    """Counting in other units finds the same days."""
    for ask in (unusual_days, lambda found: level_changes(found, "f")):
        one, other = ask(gains(values)), ask(gains([factor * v for v in values]))
        assert one.present == other.present
        if isinstance(one, Outliers) and isinstance(other, Outliers):
            assert [d.day for d in one.days] == [d.day for d in other.days]
        if isinstance(one, Changes) and isinstance(other, Changes):
            assert [p.day for p in one.points] == [p.day for p in other.points]
            assert all(p.low <= p.ratio <= p.high for p in one.points)
            assert not any(p.low <= 1 <= p.high for p in one.points)


def test_outliers_find_the_hit_and_the_fall() -> None:
    """Ten times the usual and a tenth of it stand out; a fifth more does not."""
    values = noise(60)
    values[20], values[40], values[50] = 30_000, 300, 1.2 * values[50]
    found = unusual_days(gains(values.tolist()))
    assert isinstance(found, Outliers)
    assert [(d.day, d.kind) for d in found.days] == [
        ((FIRST + np.timedelta64(20, "D")).item(), "rise"),
        ((FIRST + np.timedelta64(40, "D")).item(), "fall"),
    ]
    assert found.days[0].ratio == pytest.approx(10, rel=0.2)


def test_outliers_know_the_weekday() -> None:
    """Three times the views on each Saturday is a rhythm; three times on one Tuesday is not."""
    values = noise(91)
    values[5::7] *= 3
    ordinary = unusual_days(gains(values.tolist()))
    assert isinstance(ordinary, Outliers)
    assert ordinary.days == []
    values[43] *= 3
    found = unusual_days(gains(values.tolist()))
    assert isinstance(found, Outliers)
    (tuesday,) = found.days
    assert tuesday.day == (FIRST + np.timedelta64(43, "D")).item()
    assert tuesday.typical == pytest.approx(3_000, rel=0.3)


def test_outliers_take_a_counter_that_stood_still_for_no_event() -> None:
    """Nothing today and double tomorrow is one late reading, not a fall and a rise."""
    values = noise(60)
    values[30], values[31] = 0, 2 * values[31]
    found = unusual_days(gains(values.tolist()))
    assert isinstance(found, Outliers)
    assert found.days == []


def test_outliers_of_batches_are_declined() -> None:
    """If every third day is empty, no day can be called unusual."""
    values = noise(60)
    values[::3] = 0
    for found in (unusual_days(gains(values.tolist())), level_changes(gains(values.tolist()), "f")):
        assert isinstance(found, Missing)
        assert "batches" in found.reason


def test_changes_find_the_day_and_the_size() -> None:
    """Views that double for good do so on that day, by that much."""
    values = noise(60)
    values[35:] *= 2
    found = level_changes(gains(values.tolist()), "f")
    assert isinstance(found, Changes)
    (point,) = found.points
    assert abs((point.day - (FIRST + np.timedelta64(35, "D")).item()).days) <= 1
    assert point.low < 2 < point.high
    assert point.low > 1.4


def test_a_change_that_may_be_none_is_not_reported() -> None:
    """Days that vary this much pass the test for a change but may still be on one level."""
    rng = np.random.default_rng(155)
    values = rng.lognormal(6, 1.0, 28).round()
    values[14:] *= 2.5
    found = level_changes(gains(values.tolist()), "f")
    assert isinstance(found, Changes)
    assert found.points == []


def test_changes_of_a_single_wild_day_are_none() -> None:
    """A hit is an outlier, not a change of level."""
    values = noise(60)
    values[30] *= 50
    found = level_changes(gains(values.tolist()), "f")
    assert isinstance(found, Changes)
    assert found.points == []


def test_changes_are_seldom_found_where_there_are_none() -> None:
    """At most 3 of 100 channels with correlated days get a change point."""
    rng, wrong = np.random.default_rng(9), 0
    for _ in range(200):
        drift = rng.normal(0, 0.2, 80)
        for i in range(1, 80):
            drift[i] += 0.5 * drift[i - 1]
        found = level_changes(gains(np.exp(8 + drift[-56:]).round().tolist()), "f")
        assert isinstance(found, Changes)
        wrong += bool(found.points)
    assert wrong / 200 <= 0.03


def test_changes_statistic_is_that_of_its_definition() -> None:
    """The vectorised statistic equals the sums written out."""
    x = np.random.default_rng(1).normal(size=12)
    n = x.size
    written_out = []
    for k in range(1, n):
        t_k = (x[:k] - x.mean()).sum() / np.sqrt(n)
        left = sum((x[:t] - x[:k].mean()).sum() ** 2 for t in range(1, k + 1))
        right = sum((x[t:] - x[k:].mean()).sum() ** 2 for t in range(k, n))
        written_out.append(t_k**2 / ((left + right) / n**2))
    np.testing.assert_allclose(self_normalised_cusum(x), written_out)
