"""How often a channel is synced follows how often it publishes, within bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sync_pace import Pace

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR_S = 3600
DAY = timedelta(days=1)
PACE = Pace()


def _every(gap: timedelta, *, quiet: timedelta | None = None) -> list[datetime]:
    newest = NOW - (gap if quiet is None else quiet)
    return [newest - n * gap for n in range(20)]


@pytest.mark.parametrize(
    ("publications", "hours"),
    [
        (_every(timedelta(hours=2)), 1),  # the shortest
        (_every(DAY), 6),
        (_every(2 * DAY), 12),
        (_every(7 * DAY), 24),  # the longest
        (_every(DAY, quiet=3 * DAY), 18),  # slower, since it fell silent
        (_every(DAY, quiet=400 * DAY), 24),
        ([NOW - 2 * DAY], 12),  # one item: by its age
        ([], 24),
    ],
)
def test_interval_follows_the_usual_gap(publications: list[datetime], hours: float) -> None:
    """A quarter of the gap between publications, or of the silence."""
    assert PACE.interval_s(None, publications, NOW) == hours * HOUR_S


def test_interval_that_was_asked_for_stands() -> None:
    """The channel's own goes before everybody's, and that before what adapts; no bound holds."""
    assert PACE.interval_s(60, _every(DAY), NOW) == 60
    assert Pace(every_s=120).interval_s(None, _every(DAY), NOW) == 120
    assert Pace(every_s=120).interval_s(60, [], NOW) == 60


def test_failures_double_the_wait_up_to_a_day() -> None:
    """A source that is gone is asked once a day in the end; a rarer one as rarely as before."""
    waits = [PACE.next_at(NOW, HOUR_S, failures, 0.5) - NOW for failures in range(7)]
    assert waits == [timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24, 24)]
    assert PACE.next_at(NOW, 7 * 24 * HOUR_S, 99, 0.5) - NOW == 7 * DAY


@given(
    st.integers(60, 10**7), st.integers(0, 10**4), st.floats(0, 1), st.lists(st.integers(0, 10**9))
)
def test_next_time_is_always_within_bounds(
    interval_s: int, failures: int, spread: float, ages_s: list[int]
) -> None:
    """Whatever a channel does, it comes due again, and never sooner than asked for."""
    wait_s = (PACE.next_at(NOW, interval_s, failures, spread) - NOW).total_seconds()
    assert 0.9 * interval_s - 1 <= wait_s <= 1.1 * max(interval_s, PACE.longest_s) + 1
    publications = sorted((NOW - timedelta(seconds=age_s) for age_s in ages_s), reverse=True)
    adapted_s = PACE.interval_s(None, publications, NOW)
    assert PACE.shortest_s <= adapted_s <= PACE.longest_s
