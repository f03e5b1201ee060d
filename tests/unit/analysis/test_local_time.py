"""Publications are told by the clock of whoever publishes, where somebody set it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jobs.analysis import analyze
from jobs.analysis.local_time import local
from jobs.charts.publish_times import publish_times
from jobs.charts.story import methods
from jobs.recommendations.questions import rounds
from tests.unit.analysis.channels import CHANNEL, Item, channel_data

TOKYO = replace(CHANNEL, time_zone="Asia/Tokyo")


def test_clocks_follow_summer_time() -> None:
    """Nine in the morning in Berlin is nine, in winter and in summer."""
    berlin = replace(CHANNEL, time_zone="Europe/Berlin")
    at = np.array(["2026-01-05T08:00", "2026-07-06T07:00"], dtype="datetime64[us]")
    assert local(at, berlin).astype("datetime64[h]").astype(str).tolist() == [
        "2026-01-05T09",
        "2026-07-06T09",
    ]
    assert local(at, CHANNEL) is at


def test_days_without_a_time_stay_the_days_that_they_are() -> None:
    """Midnight in UTC stands for a date, and in New York it would be the day before."""
    days = np.array(["2026-01-05", "2026-01-06"], dtype="datetime64[us]")
    assert local(days, replace(CHANNEL, time_zone="America/New_York")) is days


def test_a_report_speaks_by_the_clock_that_was_set() -> None:
    """A show of Sundays, 20:00 UTC, comes out on Mondays, 05:00, in Tokyo."""
    items = [Item(7.0 * i + 6 + 14 / 24 + (i % 3) / 24, views=100 + i % 9) for i in range(40)]
    utc, tokyo = (channel_data(items=items, channel=each) for each in (CHANNEL, TOKYO))
    assert utc.fingerprint != tokyo.fingerprint
    told = analyze(tokyo)
    assert told.cadence.present
    assert (told.cadence.zone, told.cadence.weekday_shares[0]) == ("Asia/Tokyo", 1)
    chart = publish_times(tokyo, told)
    assert chart is not None
    assert chart.title.startswith("Monday is the most used day (100% of videos), 05:00 Asia/Tokyo")
    assert "hours of publication are Asia/Tokyo" in " ".join(methods(told))
    assert "hours of publication" not in " ".join(methods(analyze(utc)))


def test_questions_are_asked_by_that_clock() -> None:
    """Their hours and weekdays are those of the zone, and say so."""
    items = [Item(i + (i % 3) / 3, views=100 + i % 9) for i in range(120)]
    members = [
        question.members
        for one in rounds(channel_data(items=items, channel=TOKYO))
        for question in one.questions
    ]
    assert "published between 12:00 and 16:00 Asia/Tokyo" in members
    assert not any("UTC" in each for each in members)
