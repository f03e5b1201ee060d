"""Months add up their known days, and four weeks are compared week by week."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis import ChannelAnalysis, analyze
from jobs.analysis.daily_gains import DailyGains
from jobs.analysis.months import NOT_COMPARED, FourWeeks, by_month, four_weeks, months
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import channel_data, growing

FIRST = np.datetime64("2026-01-05", "D")
UNKNOWN = float("nan")


def gains(values: list[float]) -> DailyGains:
    """Return *values* as daily gains."""
    return DailyGains(FIRST + np.arange(len(values)), np.array(values, dtype=float))


def compared(values: list[float], ago: int = 28) -> FourWeeks:
    """Return the comparison of the last four weeks of *values*, which must be possible."""
    found = four_weeks(gains(values), ago)
    assert isinstance(found, FourWeeks)
    return found


@given(st.lists(st.one_of(st.integers(0, 10**6), st.none()), min_size=1, max_size=500))
def test_months_share_all_known_days_among_them(views: list[int | None]) -> None:
    """Every known day counts in one month, and months without known days are left out."""
    found = by_month(gains([UNKNOWN if one is None else one for one in views]))
    known = [one for one in views if one is not None]
    assert sum(month.views for month in found) == sum(known)
    assert sum(month.known for month in found) == len(known)
    starts = [month.first_day for month in found]
    assert starts == sorted(set(starts))
    for month in found:
        assert 0 < month.known <= month.days
        assert month.per_day == pytest.approx(month.views / month.known)


def test_month_is_whole_with_nine_tenths_of_its_days() -> None:
    """A month cut off by the data's end, or with over three unknown days, is not whole."""
    days = [10.0] * 150
    days[30:33] = [UNKNOWN] * 3
    days[60:64] = [UNKNOWN] * 4
    found = by_month(gains(days))
    assert [(one.first_day.month, one.known, one.days, one.whole) for one in found] == [
        (1, 27, 31, False),
        (2, 25, 28, False),
        (3, 27, 31, False),
        (4, 30, 30, True),
        (5, 31, 31, True),
        (6, 3, 30, False),
    ]


@given(
    st.lists(st.integers(1, 10_000), min_size=56, max_size=56),
    st.sampled_from([2.0, 8.0, 1024.0]),
)
def test_four_weeks_have_no_unit(values: list[int], factor: float) -> None:
    """Counting in other units changes no ratio and no interval."""
    one, other = compared([float(v) for v in values]), compared([factor * v for v in values])
    assert (other.ratio, other.low, other.high) == pytest.approx((one.ratio, one.low, one.high))
    assert one.low <= one.ratio <= one.high


@given(st.lists(st.integers(1, 1000), min_size=28, max_size=28), st.integers(1, 5))
def test_four_weeks_that_all_change_alike_leave_no_doubt(weeks: list[int], factor: int) -> None:
    """Every day multiplied by the same factor gives that change exactly."""
    found = compared([float(v) for v in weeks] + [float(factor * v) for v in weeks])
    assert (found.low, found.ratio, found.high) == pytest.approx((factor, factor, factor))


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_interval_of_four_weeks_holds_the_truth(memory: float) -> None:
    """95 % intervals cover "no change" in about 95 % of 600 simulated channels."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(600):
        noise = rng.normal(0, 0.5, 56)
        for i in range(1, 56):
            noise[i] = memory * noise[i - 1] + np.sqrt(1 - memory**2) * noise[i]
        found = compared(np.exp(7 + noise).tolist())
        held += found.low <= 1 <= found.high
    assert held / 600 == pytest.approx(0.95, abs=0.03)


def test_year_is_compared_weekday_by_weekday() -> None:
    """The comparison goes back 52 weeks, not one date, so that weekdays match."""
    rhythm = [10.0, 20.0, 30.0, 40.0, 50.0, 600.0, 700.0]
    found = compared(rhythm * 52 + [2 * day for day in rhythm * 4], ago=364)
    assert (found.low, found.high) == pytest.approx((2, 2))
    assert (found.last_day - found.earlier_last_day).days == 364
    assert found.heading == "up"


def test_four_weeks_say_what_is_missing() -> None:
    """Too few days, an unknown week and four weeks without views each give a reason."""
    for values in (
        [1.0] * 55,
        [1.0] * 50 + [UNKNOWN] * 3 + [1.0] * 3,
        [0.0] * 28 + [1.0] * 28,
        [1.0] * 28 + [0.0] * 28,
    ):
        found = four_weeks(gains(values), 28)
        assert isinstance(found, Missing)
        assert found.reason.endswith(".")
    assert not months(channel_data()).present


def test_analysis_from_before_months_is_read() -> None:
    """A stored analysis of an older version lacks only the months."""
    document = analyze(channel_data(views=growing(90))).model_dump(mode="json")
    assert document["months"]["months"][0]["first_day"] == date(2026, 1, 1).isoformat()
    del document["months"]
    read = ChannelAnalysis.model_validate(document)
    assert read.months == NOT_COMPARED
    assert read.growth.present
