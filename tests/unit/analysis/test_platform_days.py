"""Days on which most counters were late are the platform's, not the channel's."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.outliers import Outliers, unusual_days
from jobs.analysis.platform_days import (
    as_usual,
    factors,
    of_counters,
    owed,
    platform_days,
)
from jobs.channel.platform_day import PlatformDay

FIRST = np.datetime64("2026-06-01", "D")
DAYS = FIRST + np.arange(42)
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def store(channels: int = 60, spread: float = 0.3) -> Matrix:
    """Make channels of different sizes whose days vary by chance."""
    rng = np.random.default_rng(8)
    sizes = rng.lognormal(7, 1, (channels, 1))
    return np.asarray(sizes * rng.lognormal(0, spread, (channels, DAYS.size)))


def test_late_days_are_found_with_those_that_catch_up() -> None:
    """A day of a third, and the next with what it lacked; no other day, also in the first week."""
    gains = store()
    for late in (3, 30):
        gains[:, late + 1] += 0.7 * gains[:, late]
        gains[:, late] *= 0.3
    found = {one.day: one for one in platform_days(DAYS, gains)}
    assert set(found) == {DAYS[i].item() for i in (3, 4, 30, 31)}
    assert found[date(2026, 7, 1)].factor == pytest.approx(0.3, rel=0.2)
    assert found[date(2026, 7, 2)].factor == pytest.approx(1.7, rel=0.2)
    assert found[date(2026, 7, 1)].channels == 60
    before = platform_days(DAYS, gains, past_only=True)
    assert {one.day for one in before} == {DAYS[i].item() for i in (30, 31)}


def test_few_channels_tell_no_day() -> None:
    """With fewer than twenty channels nothing is said of the platform."""
    gains = store(19)
    gains[:, 30] *= 0.1
    assert platform_days(DAYS, gains) == ()


def test_a_rhythm_that_all_share_is_not_the_counters() -> None:
    """If all channels have three times the views on each Saturday, no Saturday is late or early."""
    gains = store()
    gains[:, 5::7] *= 3
    assert platform_days(DAYS, gains) == ()


def test_past_days_keep_their_factors() -> None:
    """Later readings change no factor of a day, once the channels were read for a week."""
    gains = store()
    gains[:, 20] *= 0.4
    whole = platform_days(DAYS, gains)
    assert whole == platform_days(DAYS[:25], gains[:, :25])


def test_what_late_days_owe_is_paid_once() -> None:
    """Two days without counting owe two; the day that catches up owes nothing more."""
    found = [
        PlatformDay(DAYS[i].item(), factor, 0.2, 50)
        for i, factor in ((10, 0.0), (11, 0.0), (12, 3.0))
    ]
    factor = factors(found, DAYS[:14])
    np.testing.assert_allclose(owed(factor)[10:], [0, 0.8, 1.6, 0, 0])
    assert np.isnan(as_usual(np.ones((1, 14)), factor)[0, 10:13]).all()


def test_unusual_days_of_the_platform_are_not_the_channels() -> None:
    """A fall that all share is listed as the platform's; one that it does not explain stays."""
    gains = store(1, 0.1)[0]
    gains[30] *= 0.2
    gains[35] *= 0.2
    own = [PlatformDay(DAYS[30].item(), 0.2, 0.2, 50)]
    alone, together = (unusual_days(DailyGains(DAYS, gains), each) for each in ((), own))
    assert isinstance(alone, Outliers)
    assert isinstance(together, Outliers)
    assert [one.day for one in alone.days] == [DAYS[30].item(), DAYS[35].item()]
    assert [one.day for one in together.days] == [DAYS[35].item()]
    assert [(one.day, one.late) for one in together.platform] == [(DAYS[30].item(), True)]


def test_a_channel_apart_on_the_platforms_day_is_unusual() -> None:
    """On a day of a fifth, one that brings ten times the usual stands out all the same."""
    gains = store(1, 0.1)[0]
    gains[30] *= 10
    own = [PlatformDay(DAYS[30].item(), 0.2, 0.3, 50)]
    found = unusual_days(DailyGains(DAYS, gains), own)
    assert isinstance(found, Outliers)
    assert [(one.day, one.kind) for one in found.days] == [(DAYS[30].item(), "rise")]


def test_counters_are_compared_by_day() -> None:
    """Readings late in the evening count for their day, also of a channel that begins later."""
    gains = store(40)
    gains[:, 30] *= 0.2
    read = []
    for i, row in enumerate(np.cumsum(np.round(gains), axis=1)):
        evening = np.timedelta64(22 * 60 + 2 * i, "m")
        for day, views in list(zip(DAYS, row.tolist(), strict=True))[i % 5 :]:
            instant = (day + evening).astype("datetime64[us]").astype(int)
            read.append((f"UC{i:02}", int(instant), int(views)))
    found = of_counters(read)
    assert found is not None
    assert [one.day for one in found[1]] == [DAYS[30].item()]
    assert of_counters([("UC", 0, 5)]) is None
