"""A counter's gains per day: only what is known, never a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jobs.analysis.daily_gains import channel_gains, daily_gains, gains_of
from jobs.analysis.outliers import unusual_days
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
    assert [(c.day, c.amount) for c in found.corrections] == [(date(2026, 1, 6), 30)]


def test_gains_gap_keeps_its_total() -> None:
    """Days without a reading are a gap with its total; its days stay unknown."""
    found = gains_of(channel_data(views=[100, 110, 200, 215], days=[0, 1, 4, 5]).daily, "views")
    np.testing.assert_array_equal(found.gains, [10, np.nan, np.nan, np.nan, 15])
    (gap,) = found.gaps
    assert (gap.first, gap.last, gap.days, gap.gained) == (
        date(2026, 1, 6),
        date(2026, 1, 7),
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


@pytest.mark.parametrize("hours", [0.5, 3, 9])
def test_gains_of_a_steady_counter_are_steady(hours: float) -> None:
    """Views that come in evenly are the same on each day, at whatever minute they are read."""
    rng = np.random.default_rng(1)
    jitter = (rng.uniform(-hours, hours, 90) * 3_600e6).astype("m8[us]")
    at = days_of(90) + jitter
    counter = 5_000 + 24_000 * (at - at[0]) / DAY
    found = daily_gains(at, counter)
    assert not found.gaps
    np.testing.assert_allclose(found.known, 24_000)
    assert found.known.size >= 88
    assert unusual_days(found).days == []  # type: ignore[union-attr] # enough days are known


def test_gains_of_missed_readings_are_no_days_that_were_read() -> None:
    """With jitter, too, a day without a reading is a gap, and its neighbours stay known."""
    rng = np.random.default_rng(2)
    at = (days_of(40) + (rng.uniform(-2, 2, 40) * 3_600e6).astype("m8[us]"))[
        [i for i in range(40) if i != 20]
    ]
    found = daily_gains(at, 1_000 * (at - at[0]) / DAY + 1)
    assert [gap.days for gap in found.gaps] == [1]
    assert np.count_nonzero(np.isnan(found.gains)) == 2
    np.testing.assert_allclose(found.known, 1_000)


@pytest.mark.parametrize(("hour", "named"), [(3, 9), (9, 9), (14, 10), (23, 10)])
def test_gains_have_the_name_of_the_day_that_they_came_in(hour: int, named: int) -> None:
    """A reading in the small hours tells of the day before, one in the evening of its own."""
    at = np.datetime64("2026-01-01", "us") + np.arange(20) * DAY + np.timedelta64(hour, "h")
    counter = np.cumsum(np.where(np.arange(20) == 9, 900.0, 10.0))
    found = daily_gains(at, counter)
    assert found.days[int(np.argmax(found.gains))].item() == date(2026, 1, named)


def test_gains_of_dates_without_a_time_are_of_the_day_that_is_named() -> None:
    """A log of dates has each day's gain under its own date."""
    at = np.datetime64("2026-01-01", "us") + np.arange(20) * DAY
    found = daily_gains(at, np.cumsum(np.where(np.arange(20) == 9, 900.0, 10.0)))
    assert found.days[int(np.argmax(found.gains))].item() == date(2026, 1, 10)
    assert found.days[-1].item() == date(2026, 1, 20)


def test_gains_of_many_readings_a_day_are_laid_on_whole_days() -> None:
    """Hourly readings have days from midnight to midnight; a day that is not over is none yet."""
    at = FIRST + np.arange(24 * 5) * np.timedelta64(1, "h")
    came = (at - np.timedelta64(1, "h")).astype("datetime64[D]")
    by_hour = np.where(came == np.datetime64("2026-01-07"), 100.0, 10.0)
    found = daily_gains(at, 1 + np.cumsum(by_hour))
    assert found.days.astype(str).tolist() == [
        "2026-01-06",
        "2026-01-07",
        "2026-01-08",
        "2026-01-09",
    ]
    np.testing.assert_allclose(found.gains, [240, 2_400, 240, 240])


def test_exported_gains_are_used_unchanged() -> None:
    """Exported days are the gains; the counter beside them is ignored."""
    days = [date(2025, 6, 13), date(2025, 6, 15)]
    gains = pl.DataFrame([days, [5, 7], [-1, None]], schema=GAINS)
    data = replace(channel_data(views=[100, 200, 300]), gains=gains)

    views, subscribers = channel_gains(data, "views"), channel_gains(data, "subscribers")

    assert views.days.astype(str).tolist() == ["2025-06-13", "2025-06-14", "2025-06-15"]
    np.testing.assert_array_equal(views.gains, [5, np.nan, 7])
    assert subscribers.known.tolist() == [-1]
