"""A cadence is computed from the part of the list that has no holes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.cadence import (
    Cadence,
    burstiness,
    cadence,
    items_per_week,
    recent_publications,
    weekday_shares,
)
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import Item, channel_data

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST = np.datetime64("2026-01-05T06:00", "us")
gap_lists = st.lists(st.integers(1, 10**6), min_size=3, max_size=50)


def found(items: list[Item], counted: Sequence[int | None] = ()) -> Cadence:
    """Return the cadence of a channel with *items*, which must exist."""
    section = cadence(channel_data(items=items, counted=counted))
    assert isinstance(section, Cadence)
    return section


@given(gap_lists, st.sampled_from([2, 60, 86_400]))
def test_cadence_burstiness_has_no_unit(gaps: list[int], factor: int) -> None:
    """The rhythm is the same in hours and in days, and within its bounds."""
    one = burstiness(np.array(gaps, dtype=float))
    assert burstiness(factor * np.array(gaps, dtype=float)) == pytest.approx(one, abs=1e-9)
    assert -1 <= one <= 1


def test_cadence_burstiness_ends_at_clockwork_and_bursts() -> None:
    """Equal gaps give -1, random ones about 0, a single long gap 1."""
    assert burstiness(np.ones(20)) == pytest.approx(-1)
    assert burstiness(np.append(np.zeros(50), 1)) == pytest.approx(1)
    random = np.random.default_rng(3).exponential(1, 4000)
    assert burstiness(random) == pytest.approx(0, abs=0.05)


@given(gap_lists, st.integers(-200, 200))
def test_cadence_shares_move_with_the_calendar(gaps: list[int], weeks: int) -> None:
    """Moving by whole weeks changes no weekday share, and the shares add up to one."""
    at = FIRST + np.cumsum(np.array(gaps)) * np.timedelta64(1, "m")
    shares = weekday_shares(at)
    np.testing.assert_array_equal(shares, weekday_shares(at + weeks * np.timedelta64(7, "D")))
    assert shares.sum() == pytest.approx(1)


@given(gap_lists)
def test_cadence_weeks_hold_every_item(gaps: list[int]) -> None:
    """Weeks are consecutive, and every item is counted."""
    at = FIRST + np.cumsum(np.array(gaps)) * np.timedelta64(1, "m")
    weeks = items_per_week(at, datetime(2026, 1, 1, tzinfo=UTC))
    assert sum(items for _, items in weeks) == at.size
    assert all(monday.weekday() == 0 for monday, _ in weeks)
    assert {(b[0] - a[0]).days for a, b in pairwise(weeks)} <= {7}


def test_cadence_of_a_weekly_show() -> None:
    """One item each Monday is one per week, like clockwork, all on Mondays."""
    weekly = found([Item(7.0 * i, views=10, read_day=7 * 11 + 3) for i in range(12)])
    assert weekly.rate.per_week == pytest.approx(1)
    assert weekly.median_gap_days == pytest.approx(7)
    assert weekly.rhythm == "like clockwork"
    assert weekly.weekday_shares[0] == 1
    assert weekly.silent_days == pytest.approx(3)


@pytest.mark.parametrize(("after", "silent_days"), [([12, 14], 0), ([12, 12], 43), ([12, 11], 43)])
def test_cadence_takes_no_silence_of_the_list_for_one_of_the_channel(
    after: list[int], silent_days: int
) -> None:
    """A list that ends before the channel's newest items is not a silence of the channel."""
    items = [Item(7.0 * i, views=10, read_day=120.0) for i in range(12)]
    data = channel_data(items=items, counted=[11, *after], days=[70, 80, 120])
    read = cadence(data)
    assert read.present
    assert round(read.silent_days) == silent_days


def test_cadence_without_a_reading_knows_no_silence() -> None:
    """Without observations, the data ends with the newest item."""
    assert found([Item(2.0 * i) for i in range(5)]).silent_days == 0


def test_cadence_partial_list_is_trusted_where_it_is_newest() -> None:
    """Old hits with holes between them do not make the channel look slower."""
    hits = [Item(20.0 * i) for i in range(10)]
    newest = [Item(200.0 + i) for i in range(20)]
    partial = found([*hits, *newest], counted=[900, 900])
    assert partial.median_gap_days == pytest.approx(1)
    assert partial.items == 15


def test_cadence_partial_list_is_trusted_where_the_channel_counts_alike() -> None:
    """A list that holds as many items as the channel's count grew by is complete since then."""
    days = 200
    items = [Item(4.0 * i + 1) for i in range(50)]
    counted: list[int | None] = [500 + (day + 3) // 4 for day in range(days)]
    assert recent_publications(channel_data(items=items, counted=counted)).size == 46


@pytest.mark.parametrize("items", [[], [Item(1.0), Item(2.0)], [Item(1.0)] * 5])
def test_cadence_of_too_little_is_missing(items: list[Item]) -> None:
    """No items, two items, or one date for all give a reason in words."""
    section = cadence(channel_data(items=items))
    assert isinstance(section, Missing)
    assert section.reason.endswith(".")


def test_cadence_counts_silence_that_is_no_ordinary_pause() -> None:
    """Twenty items in three weeks and a quarter of nothing is not seven a week."""
    burst = found([Item(float(i), views=10, read_day=110.0) for i in range(20)])
    assert burst.quiet
    assert burst.rate.per_week == pytest.approx(7 * 19 / 110)


def test_cadence_of_a_partial_list_is_that_of_the_channels_own_count() -> None:
    """The newest of a partial list look busier than the channel: its own count decides."""
    days = 28
    counted: list[int | None] = [500 + day // 2 for day in range(days)]
    items = [Item(7 + i / 2, views=10, read_day=28.0) for i in range(40)]
    rate = found(items, counted=counted).rate
    assert rate.by == "count"
    assert rate.per_week == pytest.approx(7 * 13 / 27)
    assert (rate.last - rate.first).days == days - 1
    shrunk = found(items, counted=[*counted[:-1], 400]).rate
    assert shrunk.by == "list"


def test_cadence_bridges_no_hole_between_two_readings_of_a_feed() -> None:
    """A feed that was not read for a year lost items: only what came since its last is known."""
    old = [Item(float(i), views=10, read_day=15.0) for i in range(15)]
    new = [Item(400.0 + i, views=10, read_day=415.0) for i in range(15)]
    rate = found([*old, *new]).rate
    assert rate.per_week == pytest.approx(7)
    overlapping = [Item(14.0 + 14 * i, views=10, read_day=415.0) for i in range(28)]
    assert found([*old, *overlapping]).rate.per_week < 2
