"""Growth is reported only if the data supports it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.growth import (
    Growth,
    SubscriberGrowth,
    ViewGrowth,
    WeekChange,
    growth,
    subscriber_growth,
    week_change,
)
from jobs.analysis.rounding import resolution_at
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import channel_data, growing

FIRST = np.datetime64("2026-01-05", "D")


def gains(values: list[float]) -> DailyGains:
    """Return *values* as daily gains."""
    days = FIRST + np.arange(len(values))
    return DailyGains(days, np.array(values, dtype=float))


def week(values: list[float]) -> WeekChange:
    """Return the comparison of the last two weeks of *values*, which must be possible."""
    found = week_change(gains(values))
    assert isinstance(found, WeekChange)
    return found


def subscribers(*readings: int) -> SubscriberGrowth:
    """Return the growth over *readings*, one a day."""
    at = np.datetime64("2026-01-05", "us") + np.arange(len(readings)) * np.timedelta64(1, "D")
    found = subscriber_growth(at, np.array(readings, dtype=float))
    assert isinstance(found, SubscriberGrowth)
    return found


@given(
    st.lists(st.integers(1, 10_000), min_size=14, max_size=14), st.sampled_from([2.0, 8.0, 1024.0])
)
def test_growth_of_a_week_has_no_unit(values: list[int], factor: float) -> None:
    """Counting in other units changes no ratio and no interval."""
    one, other = week([float(v) for v in values]), week([factor * v for v in values])
    assert (other.ratio, other.low, other.high) == pytest.approx((one.ratio, one.low, one.high))
    assert other.direction == one.direction


@given(st.lists(st.integers(1, 1000), min_size=7, max_size=7), st.integers(1, 5))
def test_growth_of_a_week_ignores_the_weekly_rhythm(rhythm: list[int], factor: int) -> None:
    """Every weekday multiplied by the same factor gives that change exactly."""
    found = week([float(v) for v in rhythm] + [float(factor * v) for v in rhythm])
    assert found.ratio == pytest.approx(factor)
    assert (found.low, found.high) == pytest.approx((factor, factor))


def test_growth_of_a_week_interval_holds_the_truth() -> None:
    """95 % intervals cover "no change" in about 95 % of 300 simulated channels."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(300):
        found = week_change(gains(rng.lognormal(7, 0.4, 14).tolist()))
        assert found.present
        held += found.low <= 1 <= found.high
    assert held / 300 == pytest.approx(0.95, abs=0.03)


def test_growth_of_a_week_says_what_is_missing() -> None:
    """Too few days, too few pairs and a week without views each give a reason."""
    unknown = [float("nan")] * 3
    for values in ([1.0] * 13, [1.0] * 11 + unknown, [0.0] * 7 + [1.0] * 7):
        found = week_change(gains(values))
        assert isinstance(found, Missing)
        assert found.reason.endswith(".")


@pytest.mark.parametrize(
    "values",
    [
        [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0],
        [0, 0, 90, 0, 0, 0, 0, 5, 6, 7, 8, 5, 6, 7],
        [5, 6, 7, 8, 5, 6, 7, 0, 0, 0, 0, 0, 900, 0],
    ],
)
def test_growth_of_a_week_of_single_days_is_missing(values: list[float]) -> None:
    """If fewer than four days of a week brought views, there is no ratio."""
    found = week_change(gains([float(one) for one in values]))
    assert isinstance(found, Missing)
    assert found.reason == "Too few days of the last two weeks brought views to compare them."


def test_growth_unclear_is_said_to_be_unclear() -> None:
    """A change within the noise has no direction."""
    assert week([100, 300, 90, 110, 400, 80, 95, 120, 250, 300, 70, 390, 90, 85]).direction == (
        "unclear"
    )
    assert week([100.0 + i for i in range(7)] + [150.0 + i for i in range(7)]).direction == "up"
    assert week([150.0 + i for i in range(7)] + [100.0 + i for i in range(7)]).direction == "down"


@given(st.integers(1_000, 10**8), st.integers(0, 10**6), st.integers(2, 6))
def test_growth_of_rounded_subscribers_bounds_the_truth(first: int, more: int, n: int) -> None:
    """The bounds from a rounded counter contain the true change."""
    exact = np.linspace(first, first + more, n).astype(int).astype(float)
    steps = resolution_at(exact)
    found = subscribers(*(np.floor(exact / steps) * steps).astype(int).tolist())
    if found.resolution > 1:
        assert found.low <= exact[-1] - exact[0] <= found.high


def test_growth_of_subscribers_respects_rounding() -> None:
    """A counter that stands still within its resolution shows no growth."""
    still = subscribers(115_000, 115_000, 115_000)
    assert (still.change, still.low, still.high) == (0, -999, 999)
    assert (still.resolution, still.direction) == (1_000, "unclear")
    assert subscribers(115_000, 116_000).direction == "up"
    assert subscribers(116_000, 115_000).direction == "down"
    exact = subscribers(1_001, 1_008)
    assert (exact.low, exact.high, exact.resolution) == (7, 7, 1)


def test_growth_tells_each_counter_on_its_own() -> None:
    """Views are reported without subscribers, and the other way round."""
    views = growth(channel_data(views=growing(30)))
    assert isinstance(views, Growth)
    assert isinstance(views.views, ViewGrowth)
    assert views.views.days == 29
    assert not views.subscribers.present
    fans = growth(channel_data(subscribers=[10, 12, 15]))
    assert isinstance(fans, Growth)
    assert not fans.views.present
    assert isinstance(fans.subscribers, SubscriberGrowth)
    assert fans.subscribers.first_at == datetime.fromisoformat("2026-01-05T06:00+00:00")


def test_growth_skips_hidden_days() -> None:
    """A zero or an empty cell among subscribers is not a loss of everyone."""
    found = growth(channel_data(subscribers=[0, 1_234, None, 0, 1_250]))
    assert isinstance(found, Growth)
    assert isinstance(found.subscribers, SubscriberGrowth)
    assert found.subscribers.change == 16


def test_growth_of_nothing_is_missing() -> None:
    """A channel without counters gets a reason, not a number."""
    assert isinstance(growth(channel_data()), Missing)


@pytest.mark.parametrize(
    ("memory", "days"), [(0.0, 14), (0.3, 14), (0.0, 42), (0.3, 42), (0.5, 42)]
)
def test_growth_of_weeks_holds_the_truth(memory: float, days: int) -> None:
    """
    95 % intervals hold “no change” in 93 to 99 of 100 weeks, whether days have memory or not.

    Two weeks alone do not tell a memory of a half, so that needs more of them.
    """
    rng, held = np.random.default_rng(6), 0
    for _ in range(500):
        noise = rng.normal(0, 1, days + 40)
        for i in range(1, noise.size):
            noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
        found = week((1_000 * np.exp(0.3 * noise[-days:])).tolist())
        held += found.low <= 1 <= found.high
    assert 0.93 <= held / 500 <= 0.99
