"""An item's views tomorrow: its gains fade with its age."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.item_forecast import next_day_views

Readings = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def one(age: float, *views: float) -> float:
    """Return the forecast for one item."""
    expected, low, high = next_day_views(np.array([age]), np.array([views]))
    assert views[-1] <= low[0] <= expected[0] <= high[0]
    return float(expected[0])


@given(
    st.floats(-1, 400),
    st.lists(st.integers(0, 10**9), min_size=3, max_size=3),
    st.sampled_from([2.0, 1024.0]),
)
def test_item_forecast_has_no_unit(age: float, views: list[int], factor: float) -> None:
    """Any readings, even falling ones, give a finite forecast that scales with them."""
    here, there = one(age, *map(float, views)), one(age, *(factor * v for v in views))
    assert np.isfinite(here)
    assert there == pytest.approx(factor * here)


def test_item_forecast_fades_with_age() -> None:
    """The younger the item, the more its gain falls the day after."""
    young, old = one(2, 0, 1_000, 2_000) - 2_000, one(30, 0, 1_000, 2_000) - 2_000
    assert 0 < young < old < 1_000


def test_item_forecast_of_a_power_law_is_near_it() -> None:
    """Gains that fall with age to the power of 1.15 are forecast within two per cent."""
    age = np.arange(1.0, 12.0)
    gains = 10_000 * (age - 0.5) ** -1.15
    views = np.cumsum(gains)
    for i in range(4, 10):
        expected = one(age[i] - 0.5, *views[i - 2 : i + 1]) - views[i]
        assert expected == pytest.approx(gains[i + 1], rel=0.02)


def test_item_forecast_takes_a_fall_for_no_gain() -> None:
    """A counter that fell is expected to stay; one gain is enough for a forecast."""
    assert one(5, 1_000, 1_200, 1_100) == 1_100
    assert one(5, np.nan, 1_000, 1_100) > 1_100


def test_item_forecast_knows_less_of_an_item_with_one_gain() -> None:
    """If the gain before is unknown, the last one fades faster and the interval is wider."""
    age = np.array([2.0, 2.0])
    views = np.array([[np.nan, 1_000.0, 2_000.0], [0.0, 1_000.0, 2_000.0]])
    expected, low, high = next_day_views(age, views)
    assert expected[0] < expected[1]
    width = (high - low) / (expected - views[:, 2])
    assert width[0] > width[1]
