"""A counter's gains per day: only what is known, never a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jobs.analysis.daily_gains import channel_gains, daily_gains, gains_of
from jobs.channel.data import GAINS
from tests.unit.analysis.channels import channel_data

FIRST = np.datetime64("2026-01-05T06:00", "us")
DAY = np.timedelta64(1, "D")

rising = st.lists(st.integers(0, 10_000), min_size=2, max_size=60).map(
    lambda steps: 1 + np.cumsum(np.array(steps, dtype=float))
)
any_counter = arrays.arrays(
    float, st.integers(0, 40), elements=st.one_of(st.just(np.nan), st.integers(0, 10**9).map(float))
)


def days_of(n: int) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    """Return *n* instants a day apart."""
    return FIRST + np.arange(n) * DAY


@given(rising, st.data())
def test_gains_gap_is_never_growth_on_a_day(
    counter: np.ndarray[tuple[int], np.dtype[np.float64]], data: st.DataObject
) -> None:
    """Leaving out days changes no other day's gain and keeps the total."""
    kept = np.array(
        data.draw(st.lists(st.booleans(), min_size=counter.size, max_size=counter.size))
    )
    whole = daily_gains(days_of(counter.size), counter)
    holey = daily_gains(days_of(counter.size)[kept], counter[kept])
    by_day = dict(zip(whole.days.tolist(), whole.gains.tolist(), strict=True))
    for day, gain in zip(holey.days.tolist(), holey.gains.tolist(), strict=True):
        assert np.isnan(gain) or gain == by_day[day]
    if kept.sum() >= 2:
        values = counter[kept]
        assert holey.known.sum() + sum(gap.gained for gap in holey.gaps) == values[-1] - values[0]


@given(any_counter)
def test_gains_are_never_negative(
    counter: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    """A falling counter gives unknown days and corrections, not negative gains."""
    found = daily_gains(days_of(counter.size), counter)
    assert (found.known >= 0).all()
    assert all(correction.amount > 0 for correction in found.corrections)
    assert found.days.size == found.gains.size


@given(rising, st.integers(1, 10**9), st.integers(-1000, 1000))
def test_gains_depend_on_steps_alone(
    counter: np.ndarray[tuple[int], np.dtype[np.float64]], more: int, later: int
) -> None:
    """Neither the level of the counter nor the date changes the gains."""
    here = daily_gains(days_of(counter.size), counter)
    there = daily_gains(days_of(counter.size) + later * DAY, counter + more)
    np.testing.assert_array_equal(here.gains, there.gains)
    np.testing.assert_array_equal(here.days + later * DAY, there.days)


def test_gains_fall_is_a_correction() -> None:
    """The day of a fall is unknown; the day after counts again."""
    found = gains_of(channel_data(views=[100, 150, 120, 130]).daily, "views")
    np.testing.assert_array_equal(found.gains, [50, np.nan, 10])
    assert [(c.day, c.amount) for c in found.corrections] == [(date(2026, 1, 7), 30)]


def test_gains_gap_keeps_its_total() -> None:
    """Days without a reading are a gap with its total; its days stay unknown."""
    found = gains_of(channel_data(views=[100, 110, 200, 215], days=[0, 1, 4, 5]).daily, "views")
    np.testing.assert_array_equal(found.gains, [10, np.nan, np.nan, np.nan, 15])
    (gap,) = found.gaps
    assert (gap.first, gap.last, gap.days, gap.gained) == (
        date(2026, 1, 7),
        date(2026, 1, 8),
        2,
        90,
    )


def test_gains_zero_beside_readings_means_not_read() -> None:
    """A zero-filled day neither falls to nothing nor comes back as a jump."""
    found = gains_of(channel_data(views=[0, 500, 510, 0, 530, 540]).daily, "views")
    assert found.zero_filled == 2
    np.testing.assert_array_equal(found.known, [10, 10])


def test_gains_counter_of_zeros_is_a_channel_without_views() -> None:
    """Zeros alone are readings."""
    found = gains_of(channel_data(views=[0, 0, 0]).daily, "views")
    np.testing.assert_array_equal(found.gains, [0, 0])


def test_gains_last_reading_of_a_day_counts() -> None:
    """The last of several readings on a day counts."""
    hours = np.array([0, 6, 12, 24, 36]) * np.timedelta64(1, "h")
    found = daily_gains(FIRST + hours, np.array([1.0, 5, 9, 10, 20]))
    np.testing.assert_array_equal(found.gains, [11])


def test_exported_gains_are_used_unchanged() -> None:
    """Exported days are the gains; the counter beside them is ignored."""
    days = [date(2025, 6, 13), date(2025, 6, 15)]
    gains = pl.DataFrame([days, [5, 7], [-1, None]], schema=GAINS)
    data = replace(channel_data(views=[100, 200, 300]), gains=gains)

    views, subscribers = channel_gains(data, "views"), channel_gains(data, "subscribers")

    assert views.days.astype(str).tolist() == ["2025-06-13", "2025-06-14", "2025-06-15"]
    np.testing.assert_array_equal(views.gains, [5, np.nan, 7])
    assert subscribers.known.tolist() == [-1]
