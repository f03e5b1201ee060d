"""What is usual for a channel is its own past weeks, and where the last one stands beside them."""

from __future__ import annotations

import numpy as np

from jobs.analysis.daily_gains import daily_gains
from jobs.analysis.section import Missing
from jobs.analysis.usual import KEPT_DAYS, Recent, Usual, recent, usual_weeks
from tests.unit.analysis.channels import channel_data

START = np.datetime64("2026-01-05T06:00", "us")


def weeks(gains: list[float]) -> Usual | Missing:
    """Return what is usual for a channel with these gains a day."""
    read_at = START + np.arange(len(gains) + 1) * np.timedelta64(1, "D")
    counter = 1_000 + np.concatenate([[0.0], np.cumsum(gains)])
    return usual_weeks(daily_gains(read_at, counter))


def test_usual_is_the_band_of_eight_in_ten_weeks() -> None:
    """Of weeks at 100 to 200 a day the band leaves the tenth at each end out."""
    found = weeks([100.0 + day for day in range(100)] + [150.0] * 7)
    assert isinstance(found, Usual)
    means = np.array([103.0 + day for day in range(94)])
    assert (found.low, found.high) == tuple(np.quantile(means, [0.1, 0.9]))
    assert found.last_week == 150
    assert found.standing == 0


def test_standing_counts_widths_of_the_band() -> None:
    """A week beyond it stands as many widths away as it is; below it, with a minus."""
    calm = [100.0 + day for day in range(100)]
    above, below = weeks([*calm, *[500.0] * 7]), weeks([*calm, *[10.0] * 7])
    assert isinstance(above, Usual)
    assert isinstance(below, Usual)
    width = above.high - above.low
    assert above.standing == (500 - above.high) / width
    assert below.standing == (10 - below.low) / width < 0


def test_steady_channel_has_a_standing() -> None:
    """A band without width, or of zeros, divides by nothing."""
    same = weeks([100.0] * 60 + [106.0] * 7)
    assert isinstance(same, Usual)
    assert 1 < same.standing < 2
    none = weeks([0.0] * 60 + [0.0] * 7)
    assert isinstance(none, Usual)
    assert none.standing == 0


def test_unknown_days_take_no_part_in_a_week() -> None:
    """A day that was not read leaves the other days of its weeks as they are."""
    read = np.ones(121, dtype=bool)
    read[100] = False
    read_at = (START + np.arange(121) * np.timedelta64(1, "D"))[read]
    counter = np.array([1_000 + 100.0 * day for day in range(121)])[read]
    found = usual_weeks(daily_gains(read_at, counter))
    assert isinstance(found, Usual)
    assert (found.low, found.high, found.last_week) == (100, 100, 100)


def test_recent_days_are_the_newest_with_their_gaps() -> None:
    """The newest year of days, None where a day's views are not known; else the reason."""
    days = [day for day in range(500) if day != 490]
    found = recent(channel_data(views=[1_000 + 10 * day for day in days], days=days))
    assert isinstance(found, Recent)
    assert len(found.gains) == KEPT_DAYS
    assert found.gains[-10:] == [None, None, *[10] * 8]
    assert found.last_day == (START.astype("datetime64[D]") + 498).item()
    assert isinstance(recent(channel_data()), Missing)


def test_too_little_is_said() -> None:
    """Four weeks are no band; a last week that was hardly read has no place beside one."""
    assert isinstance(weeks([100.0] * 30), Missing)
    assert isinstance(weeks([]), Missing)
    read_at = START + np.arange(80) * np.timedelta64(1, "D")
    counter = 1_000 + np.cumsum(np.full(80, 100.0))
    kept = np.ones(80, dtype=bool)
    kept[74:78] = False
    found = usual_weeks(daily_gains(read_at[kept], counter[kept]))
    assert isinstance(found, Missing)
    assert "last 7 days" in found.reason
