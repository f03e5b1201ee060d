"""A forecast has an interval, and is missing where it cannot be made."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.forecast import ViewForecast, forecast, forecast_views
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import channel_data, growing

FIRST = np.datetime64("2026-01-05", "D")
series = st.lists(st.one_of(st.just(float("nan")), st.integers(0, 10**7).map(float)), max_size=60)


def ahead(values: list[float]) -> ViewForecast | Missing:
    """Return the forecast after *values*, one per day."""
    return forecast_views(DailyGains(FIRST + np.arange(len(values)), np.array(values, dtype=float)))


@given(series)
def test_forecast_lies_within_its_interval(values: list[float]) -> None:
    """Whatever the history: 14 days, none below zero, every value within its interval."""
    found = ahead(values)
    if not found.present:
        assert found.reason.endswith(".")
        return
    assert len(found.days) == 14
    assert all(0 <= day.low <= day.value <= day.high for day in found.days)
    assert 0 <= found.week_low <= found.week <= found.week_high


@given(st.lists(st.integers(0, 10**6), min_size=20, max_size=40), st.sampled_from([2.0, 1024.0]))
def test_forecast_has_no_unit(values: list[int], factor: float) -> None:
    """Counting in other units scales forecast and interval alike."""
    one, other = ahead([float(v) for v in values]), ahead([factor * v for v in values])
    assert one.present
    assert other.present
    assert other.days[0].high == pytest.approx(factor * one.days[0].high)
    assert other.next_day_error == pytest.approx(one.next_day_error)


def test_forecast_follows_the_last_known_days() -> None:
    """It starts the day after the last reading; a steady channel stays as it is."""
    found = ahead([100.0] * 27)
    assert found.present
    assert found.days[0].day == date(2026, 2, 1)
    assert [day.value for day in found.days] == pytest.approx([100] * 14)
    assert found.week == pytest.approx(700)


def test_forecast_interval_holds_most_of_what_comes() -> None:
    """
    80 % intervals cover at least 72 % of the days of 150 simulated channels, and not all.

    Their days vary about a level that stays: real levels wander, so intervals are wider here.
    """
    rng, held, days = np.random.default_rng(11), 0, 0
    for _ in range(150):
        values = rng.lognormal(8, 0.4, 54) * (1 + 0.2 * np.sin(np.arange(54)))
        found = ahead(values[:40].tolist())
        assert found.present
        held += sum(d.low <= v <= d.high for d, v in zip(found.days, values[40:], strict=True))
        days += 14
    assert 0.72 <= held / days <= 0.93


@pytest.mark.parametrize("counter", [[], [None] * 30, growing(10)])
def test_forecast_of_too_little_is_missing(counter: list[int | None]) -> None:
    """No counter, no readings and ten days each give a reason."""
    found = forecast(channel_data(views=counter))
    assert isinstance(found, Missing) or isinstance(found.views, Missing)
