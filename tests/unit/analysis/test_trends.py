"""A trend is a slope that the data supports, with an interval that covers the true one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.section import Missing
from jobs.analysis.theil_sen import theil_sen
from jobs.analysis.trends import Trend, subscribers_trend, trends, views_trend
from tests.unit.analysis.channels import Item, channel_data, growing

FIRST = np.datetime64("2026-01-05", "D")
month = st.lists(st.integers(0, 10**6), min_size=28, max_size=28)


def of_views(values: list[float]) -> Trend:
    """Return the trend of *values*, one per day, which must exist."""
    found = views_trend(FIRST + np.arange(len(values)), np.array(values, dtype=float))
    assert isinstance(found, Trend)
    return found


@given(month, st.sampled_from([2.0, 1024.0]))
def test_trend_scales_with_its_unit(values: list[int], factor: float) -> None:
    """Counting in other units scales the slope and its interval by the same factor."""
    one, other = of_views([float(v) for v in values]), of_views([factor * v for v in values])
    assert (other.per_week, other.low, other.high) == pytest.approx(
        (factor * one.per_week, factor * one.low, factor * one.high)
    )
    assert other.heading == one.heading
    assert one.low <= one.per_week <= one.high


@given(month, st.floats(-1000, 1000))
def test_trend_of_a_line_added_is_added(values: list[int], slope: float) -> None:
    """Growing by 7 more a week adds 7 a week to the trend."""
    base = np.array(values, dtype=float)
    there = of_views((base + slope * np.arange(28)).tolist())
    expected = of_views(values).per_week + 7 * slope  # type: ignore[arg-type] # ints are fine
    assert there.per_week == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_trend_interval_holds_the_truth(memory: float) -> None:
    """95 % intervals cover "no trend" in at least 86 of 100 months, correlated or not."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(200):
        noise = rng.normal(0, 1, 60)
        for i in range(1, 60):
            noise[i] += memory * noise[i - 1]
        slope = theil_sen(np.arange(28.0), noise[-28:], 0.95, serial=True)
        assert slope is not None
        held += slope.low <= 0 <= slope.high
    assert held / 200 >= 0.86


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.5])
def test_pace_of_subscribers_holds_the_truth(memory: float) -> None:
    """95 % intervals hold the true pace of an exact counter in 91 to 98 of 100 months."""
    rng, held = np.random.default_rng(7), 0
    days = FIRST + np.arange(28)
    for _ in range(400):
        noise = rng.normal(0, 1, 68)
        for i in range(1, 68):
            noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
        found = subscribers_trend(days, 5_000 + np.floor(np.cumsum(50 * np.exp(0.3 * noise[40:]))))
        assert isinstance(found, Trend)
        held += found.low <= 7 * 50 * np.exp(0.045) <= found.high
    assert 0.91 <= held / 400 <= 0.98


def test_trend_of_a_rounded_counter_is_open_by_its_step() -> None:
    """A change of one rounding step in a month is not a clear trend."""
    days = FIRST + np.arange(28)
    still = subscribers_trend(days, np.array([115_000.0] * 14 + [116_000.0] * 14))
    assert isinstance(still, Trend)
    assert still.heading == "unclear"
    exact = subscribers_trend(days, 115_001.0 + 30 * np.arange(28.0))
    assert isinstance(exact, Trend)
    assert exact.heading == "up"
    assert exact.per_week == pytest.approx(210)


def test_trends_tell_each_on_its_own() -> None:
    """Views have a trend without subscribers, and likes without either."""
    views = trends(channel_data(views=growing(40)))
    assert views.present
    assert views.views.present
    assert isinstance(views.subscribers, Missing)
    liked = [Item(3.0 * i, views=10_000, likes=100 + 10 * i) for i in range(20)]
    likes = trends(channel_data(items=liked))
    assert likes.present
    assert likes.likes.present
    assert likes.likes.heading == "up"
    assert isinstance(trends(channel_data()), Missing)
