"""Generated samples: the same everywhere, like real ones, and never taken for real ones."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest

from jobs.channel.records import ChannelReading, Platform
from jobs.sources.location import SampleName
from jobs.sources.samples import open_samples
from jobs.sources.source import SourceError

NAMES = ("video", "podcast", "stream")
DIGEST = (
    "import hashlib; from jobs.sources.samples import open_samples; s = open_samples();"
    "print(hashlib.sha256(repr([s.read(c.id) for c in s.channels()]).encode()).hexdigest())"
)


@pytest.fixture(params=NAMES)
def reading(request: pytest.FixtureRequest) -> ChannelReading:
    """Return each sample in turn."""
    return open_samples(SampleName(request.param)).read(f"sample:{request.param}")


def gains(reading: ChannelReading) -> list[tuple[int, int]]:
    """Return weekday and views gained, for each pair of readings a day apart."""
    return [
        (earlier.observed_at.weekday(), (later.views or 0) - (earlier.views or 0))
        for earlier, later in pairwise(reading.channel_snapshots)
        if later.observed_at - earlier.observed_at == timedelta(days=1)
    ]


def test_samples_are_labelled_as_generated(reading: ChannelReading) -> None:
    """Title, id and mark all say that the channel is generated."""
    assert reading.channel.generated
    assert reading.channel.title.endswith("(generated sample)")
    assert reading.channel.id.startswith("sample:")


def test_samples_are_the_same_in_every_process() -> None:
    """Another process, with other hash seeds, generates the very same."""
    source = open_samples()
    text = repr([source.read(channel.id) for channel in source.channels()])
    here = hashlib.sha256(text.encode()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert here == there


def test_samples_have_the_promised_size(reading: ChannelReading) -> None:
    """Half a year of days, 40 to 80 items, and several snapshots of most items."""
    assert 120 <= len(reading.channel_snapshots) <= 180
    assert 40 <= len(reading.items) <= 80
    assert len({item.id for item in reading.items}) == len(reading.items)
    assert len(reading.item_snapshots) > 4 * len(reading.items)


def test_samples_have_one_gap_of_some_days(reading: ChannelReading) -> None:
    """Days are missing once, in a row."""
    steps = [
        later.observed_at - earlier.observed_at
        for earlier, later in pairwise(reading.channel_snapshots)
    ]
    (gap,) = [step for step in steps if step != timedelta(days=1)]
    assert timedelta(days=4) < gap < timedelta(days=10)


def test_samples_grow_and_never_fall(reading: ChannelReading) -> None:
    """Views only rise, and faster in the last eight weeks than in the first."""
    views = [gain for _, gain in gains(reading)]
    assert min(views) > 0
    assert median(views[-56:]) > 1.1 * median(views[:56])


def test_samples_have_a_weekly_rhythm(reading: ChannelReading) -> None:
    """The best day of the week brings clearly more than the worst."""
    by_day = [
        median(gain for weekday, gain in gains(reading) if weekday == day) for day in range(7)
    ]
    assert max(by_day) > 1.2 * min(by_day)


def test_samples_have_one_outlier(reading: ChannelReading) -> None:
    """One item has several times the views of the second most watched."""
    views: dict[str, int] = {}
    for snapshot in reading.item_snapshots:
        views[snapshot.item_id] = max(snapshot.views or 0, views.get(snapshot.item_id, 0))
    best, second = sorted(views.values(), reverse=True)[:2]
    assert best > 2 * second


def test_samples_items_gather_views_ever_more_slowly(reading: ChannelReading) -> None:
    """An item's counters never fall, and none is read before it is published."""
    published = {item.id: item.published_at for item in reading.items}
    for item_id, published_at in published.items():
        mine = [one for one in reading.item_snapshots if one.item_id == item_id]
        assert [one.observed_at for one in mine] == sorted(one.observed_at for one in mine)
        assert all(published_at and one.observed_at > published_at for one in mine)
        assert [one.views or 0 for one in mine] == sorted(one.views or 0 for one in mine)


def test_samples_have_the_counters_of_their_platform() -> None:
    """YouTube rounds subscribers, a podcast has none, a streaming platform counts exactly."""
    source = open_samples()
    platforms = [channel.platform for channel in source.channels()]
    assert platforms == [Platform.YOUTUBE, Platform.PODCAST, Platform.STREAM]
    video, podcast, stream = (source.read(channel.id) for channel in source.channels())
    rounded = [one.subscribers or 0 for one in video.channel_snapshots]
    assert all(str(count)[3:].strip("0") == "" for count in rounded)
    assert {one.subscribers for one in podcast.channel_snapshots} == {None}
    assert {one.likes for one in podcast.item_snapshots} == {None}
    exact = [one.subscribers or 0 for one in stream.channel_snapshots]
    assert any(str(count)[3:].strip("0") for count in exact)


def test_samples_describe_themselves_as_generated() -> None:
    """The line that describes them says that they are generated."""
    assert open_samples().describe() == (
        "generated samples, 3 channels, 181 items, 2025-01-06 to 2025-06-29"
    )


def test_an_unknown_sample_is_an_error() -> None:
    """The error for an unknown name lists the known ones."""
    with pytest.raises(SourceError, match=r"no sample 'tv'\. There are video, podcast, stream"):
        open_samples(SampleName("tv"))
    with pytest.raises(SourceError, match="has no channel nobody"):
        open_samples().read("nobody")
