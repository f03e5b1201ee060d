"""Milestones are passed between two readings, and expected with an interval."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis.milestones import (
    Milestones,
    Pace,
    days_until,
    milestones,
    pace_of,
    round_numbers,
)
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import channel_data, growing

if TYPE_CHECKING:
    from collections.abc import Sequence


def found_in(*, subscribers: Sequence[int] = (), views: Sequence[int] = ()) -> Milestones:
    """Return the milestones of a channel with these counters, which must exist."""
    found = milestones(channel_data(subscribers=subscribers, views=views))
    assert isinstance(found, Milestones)
    return found


@given(st.lists(st.integers(0, 400), min_size=2, max_size=60), st.integers(1, 5_000))
def test_milestones_reached_lie_between_their_readings(steps: list[int], start: int) -> None:
    """The counter was below at the first reading and not at the second; none appears twice."""
    counts = (start + np.cumsum(steps)).tolist()
    by_day = {date(2026, 1, 5) + timedelta(days=i): count for i, count in enumerate(counts)}
    found = found_in(subscribers=counts)
    for one in found.reached:
        assert by_day[one.after] < one.value <= by_day[one.day]
    assert len({one.value for one in found.reached}) == len(found.reached)
    for ahead in found.expected:
        assert ahead.value > counts[-1]
        assert ahead.earliest <= ahead.day
        assert ahead.latest is None or ahead.day <= ahead.latest


def test_milestones_fall_back_and_come_again_once() -> None:
    """Passed, lost and passed again counts once, and it is not expected meanwhile."""
    found = found_in(subscribers=[980, 1_010, 990, 1_020, 995])
    assert [(one.value, one.day) for one in found.reached] == [(1_000, date(2026, 1, 6))]
    assert all(one.value != 1_000 for one in found.expected)


def test_milestones_expected_at_a_steady_pace() -> None:
    """Ten a day reach 1,000 in a hundred days, no sooner, and hardly later."""
    found = found_in(subscribers=[9_001 + 10 * day for day in range(60)])
    (ahead,) = found.expected
    assert (ahead.value, ahead.weeks) == (10_000, 8)
    assert ahead.per_day == pytest.approx(10)
    day = date(2026, 1, 5) + timedelta(days=100)
    assert (ahead.earliest, ahead.day) == (day, day)
    assert ahead.latest == day + timedelta(days=1)


def test_milestones_interval_holds_the_day() -> None:
    """80 % intervals contain the day in about 80 % of 200 channels with varying weeks."""
    rng, held, asked = np.random.default_rng(8), 0, 0
    for _ in range(200):
        weekly = np.repeat(rng.lognormal(0, 0.3, 30), 7)
        gains = weekly * rng.lognormal(0, 0.3, weekly.size)
        pace = pace_of(gains[:56])
        assert pace is not None
        span = days_until(60.0, pace, 0.8)
        assert span is not None
        passed = int(np.searchsorted(np.cumsum(gains[56:]), 60.0)) + 1
        held += span[0] <= passed <= (span[1] or 10**6)
        asked += 1
    assert held / asked == pytest.approx(0.8, abs=0.1)


def test_milestones_of_a_shrinking_channel_are_not_expected() -> None:
    """A channel that loses subscribers or stands still has no expected milestone."""
    assert found_in(subscribers=[9_900 - 5 * day for day in range(30)]).expected == []
    assert found_in(subscribers=[9_900] * 30).expected == []


def test_milestones_of_rounded_counters_allow_for_the_step() -> None:
    """A reading of 99,900 may be 99,999, so the milestone may be a day away."""
    counts = [(99_000 + 14 * day) // 100 * 100 for day in range(70)]
    (ahead,) = found_in(subscribers=counts).expected
    assert (ahead.current, ahead.value) == (99_900, 100_000)
    assert (ahead.earliest - date(2026, 1, 5)).days == 70 < (ahead.day - date(2026, 1, 5)).days


def test_milestones_need_a_counter() -> None:
    """Without a counter there are no milestones; without a pace none is expected."""
    assert isinstance(milestones(channel_data()), Missing)
    assert found_in(views=growing(10)).expected == []
    assert days_until(10.0, Pace(-1.0, 0.1, 4), 0.8) is None


def test_milestones_are_round() -> None:
    """Milestones are 1, 2, 2.5, 5 and 7.5 times powers of ten, above a minimum."""
    assert round_numbers("subscribers", 0, 1_000) == [100, 200, 250, 500, 750, 1_000]
    assert round_numbers("views", 4_999_999, 10_000_000) == [5_000_000, 7_500_000, 10_000_000]
