"""News in an analysis becomes events, whose keys are the same each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs.analysis import analyze
from jobs.notifications.event import Kind
from jobs.notifications.rules import events
from tests.unit.analysis.channels import CHANNEL, DAY, START, Item, channel_data, growing

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData
    from jobs.notifications.event import Event

DAYS = 60
LAST_DAY = START + (DAYS - 1) * DAY


def _events(data: ChannelData, now: datetime = LAST_DAY, kind: Kind | None = None) -> list[Event]:
    return [one for one in events(analyze(data), now) if kind in {None, one.kind}]


def _growing_past(milestone: int, last_gain: int = 1000) -> ChannelData:
    """Make a channel whose views pass *milestone* on the last day."""
    before = growing(DAYS - 1)
    shift = milestone + 10 - before[-1] - last_gain
    return channel_data(views=[one + shift for one in before] + [milestone + 10])


def test_milestone_that_was_just_passed_is_an_event() -> None:
    """The event has the counter, the number, the day, and the next milestone's date."""
    (event,) = _events(_growing_past(1_000_000), kind=Kind.MILESTONE)
    assert event.title == "Une chaîne has reached 1M views"
    assert event.key == "milestone:UC0:views:1000000"
    assert event.body.startswith("First read at or above it on 5 Mar 2026.")


def test_history_is_no_news() -> None:
    """Events long before the first sync are not reported."""
    data = _growing_past(1_000_000)
    assert _events(data, LAST_DAY + timedelta(days=3))
    assert _events(data, LAST_DAY + timedelta(days=5)) == []


def test_unusual_day_is_an_event() -> None:
    """A day with ten times the usual views is a rise, a day with a tenth is a fall."""
    for gain, kind in ((10_000, "rise"), (50, "fall")):
        event, *_ = _events(_growing_past(1_700_000, gain), kind=Kind.UNUSUAL)
        assert event.title == f"Une chaîne: unusual {kind} of views on 4 Mar 2026"
        assert event.key == "unusual:UC0:2026-03-04"


def test_ordinary_days_are_no_events() -> None:
    """A channel that continues as before has no news."""
    assert _events(channel_data(views=growing(DAYS, start=1_200_000))) == []


def _publishing(silent_days: float, *, every_days: float = 2.0) -> tuple[ChannelData, datetime]:
    read_day = 30 * every_days + silent_days
    items = [Item(every_days * n, views=100, read_day=read_day) for n in range(31)]
    return channel_data(items=items), START + read_day * DAY


def test_channel_that_went_quiet_is_one_event() -> None:
    """Three usual gaps without an item give one event; on later days it has the same key."""
    keys = set()
    for silent_days in (6.5, 7.5, 9.0):
        data, now = _publishing(silent_days)
        (event,) = _events(data, now)
        assert event.kind is Kind.QUIET
        keys.add(event.key)
    assert len(keys) == 1
    assert event.title == "Une chaîne has gone quiet"
    assert event.body == (
        "No video for 9 days; one every 2 days is usual. The last one came on 6 Mar 2026."
    )


def test_usual_pause_and_old_silence_are_no_events() -> None:
    """A usual gap is not news, nor is a channel that ended long ago."""
    for silent_days in (1.0, 5.5, 300.0):
        data, now = _publishing(silent_days)
        assert _events(data, now) == []


def test_silence_is_that_of_the_channel_not_of_its_source() -> None:
    """A source last read weeks ago says nothing about the time since."""
    data, now = _publishing(7.0)
    assert _events(data, now + timedelta(days=10)) == []


def test_silence_of_a_list_that_lacks_the_newest_items_is_no_event() -> None:
    """If the channel's own count of items grew, it was not silent."""
    items = [Item(2.0 * n, views=100, read_day=69.0) for n in range(31)]
    for last, expected in ((31, 1), (32, 0)):
        data = channel_data(items=items, counted=[31, last], days=[61, 69])
        assert len(_events(data, START + 69 * DAY)) == expected


def test_generated_channels_have_no_news() -> None:
    """Generated data gives no events."""
    data = _growing_past(1_000_000)
    made_up = replace(data, channel=replace(CHANNEL, generated=True))
    assert _events(made_up) == []
