"""A YouTube channel is found by any name, then read part by part, for few units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.channel.records import EVER, ChannelReading, Platform, SourceRef, SyncOutcome
from jobs.sources.memory import SourceMemory
from jobs.sources.source import SourceError
from jobs.sources.youtube.channel import find_channel, read_channel
from jobs.sources.youtube.name import youtube_name
from jobs.sources.youtube.quota import QuotaError
from tests.unit.sources.youtube.youtube_server import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.sources.youtube.api import YoutubeApi
    from tests.unit.sources.youtube.ledger import MemoryLedger
    from tests.unit.sources.youtube.youtube_server import YoutubeServer

UC = "UC0000000000000000000001"
HERE = f"youtube:{UC}"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def _video(number: int) -> str:
    return f"v{number:010}"


def _publish(youtube: YoutubeServer, number: int, at: datetime) -> str:
    youtube.publish(UC, _video(number), at.isoformat().replace("+00:00", "Z"))
    return _video(number)


@dataclass
class Follower:
    """Syncs as the job does: passes back the memory, and keeps what is listed."""

    api: YoutubeApi
    memory: Mapping[str, Any] = field(default_factory=dict)
    listed: dict[str, datetime | None] = field(default_factory=dict)

    async def sync(self, now: datetime) -> ChannelReading:
        """Read the channel, and remember what the store would."""

        async def listed() -> Mapping[str, datetime | None]:
            return dict(self.listed)

        result = await read_channel(self.api, HERE, UC, SourceMemory(self.memory, listed), now)
        reading = result.reading
        assert reading is not None
        listing = reading.listing
        assert listing is not None
        assert result.outcome is SyncOutcome.READ
        self.memory = result.memory or self.memory
        for item in reading.items:
            self.listed[item.id] = item.published_at
        for item_id in list(self.listed):
            published_at = self.listed[item_id]
            missed = listing.since == EVER or (
                listing.since and published_at and published_at > listing.since
            )
            if item_id in listing.gone or (missed and item_id not in listing.item_ids):
                del self.listed[item_id]
        return reading


@pytest.fixture
def follower(api: YoutubeApi, youtube: YoutubeServer) -> Follower:
    """Follow a channel that has published nothing yet."""
    youtube.add_channel(UC)
    return Follower(api)


@pytest.mark.parametrize(
    ("location", "units"),
    [
        (HERE, 1),
        ("youtube:@One", 1),
        ("https://www.youtube.com/@One/videos", 1),
        ("https://www.youtube.com/user/one", 1),
        ("https://www.youtube.com/c/One", 1),
        ("youtube:one", 2),
        ("https://youtu.be/v0000000001", 2),
    ],
)
async def test_channel_is_found_by_any_of_its_names(
    api: YoutubeApi, youtube: YoutubeServer, ledger: MemoryLedger, location: str, units: int
) -> None:
    """Whatever named it, the channel has its id from there on."""
    youtube.add_channel(UC)
    youtube.handles["@One"] = youtube.users["one"] = UC
    _publish(youtube, 1, NOW)
    source = await find_channel(api, youtube_name(location), location)
    [channel] = source.channels()
    assert (channel.id, channel.platform) == (UC, Platform.YOUTUBE)
    assert source.ref == SourceRef("youtube-api", HERE)
    assert source.describe() == "YouTube channel 'Channel 1', 1,230 subscribers, 1 video"
    assert source.read(UC).channel_snapshots[0].subscribers == 1230
    assert ledger.total == units


@pytest.mark.parametrize(
    "location", ["youtube:@Nobody", f"youtube:{UC}", "https://youtu.be/v0000000001"]
)
async def test_unknown_name_is_one_clear_error(api: YoutubeApi, location: str) -> None:
    """An empty list means that there is no such channel."""
    with pytest.raises(SourceError, match="YouTube knows nothing of the") as error:
        await find_channel(api, youtube_name(location), location)
    assert not error.value.transient


async def test_first_sync_reads_everything(
    follower: Follower, youtube: YoutubeServer, ledger: MemoryLedger
) -> None:
    """All pages, all videos in batches of fifty, and a listing that is complete."""
    for number in range(120):
        _publish(youtube, number, NOW - 200 * DAY + number * DAY)
    reading = await follower.sync(NOW)
    assert len(reading.items) == len(reading.item_snapshots) == 120
    assert reading.listing is not None
    assert reading.listing.since == EVER
    assert youtube.resources == ["channels", *["playlistItems"] * 3, *["videos"] * 3]
    assert ledger.total == 7
    item = reading.items[0]
    assert (item.id, item.duration_s, item.category) == (_video(119), 65, "28")
    assert (list(item.tags), item.live) == (["one", "two"], False)
    assert item.url == f"https://www.youtube.com/watch?v={_video(119)}"


async def test_next_sync_asks_for_little(
    follower: Follower, youtube: YoutubeServer, ledger: MemoryLedger
) -> None:
    """An hour later: the channel, one page, and the counters of the week's videos."""
    for number in range(120):
        _publish(youtube, number, NOW - 200 * DAY + number * DAY)
    _publish(youtube, 120, NOW - DAY)
    await follower.sync(NOW)
    spent = ledger.total
    new = _publish(youtube, 121, NOW)
    reading = await follower.sync(NOW + HOUR)
    assert ledger.total - spent == 3
    assert [item.id for item in reading.items] == [new, _video(120)]
    assert reading.listing is not None
    assert new in reading.listing.item_ids


async def test_unchanged_channel_costs_two_units_and_keeps_its_counters(
    follower: Follower, youtube: YoutubeServer, ledger: MemoryLedger
) -> None:
    """Thanks to ETags nothing is sent again, and the counters are read as unchanged."""
    _publish(youtube, 1, NOW - 30 * DAY)
    await follower.sync(NOW)
    spent = ledger.total
    reading = await follower.sync(NOW + HOUR)
    assert ledger.total - spent == 2
    assert all("if-none-match" in asked.headers for asked in youtube.asked[-2:])
    [snapshot] = reading.channel_snapshots
    assert (snapshot.observed_at, snapshot.views) == (NOW + HOUR, 1000)
    assert reading.items == []


async def test_older_videos_are_counted_daily_and_weekly(
    follower: Follower, youtube: YoutubeServer
) -> None:
    """Counters follow the age of a video: each sync, once a day, once a week."""
    ages = {1: 200 * DAY, 2: 30 * DAY, 3: DAY}
    old, young, recent = (_publish(youtube, number, NOW - age) for number, age in ages.items())
    counted = []
    for hours in range(0, 8 * 24, 6):
        reading = await follower.sync(NOW + hours * HOUR)
        counted += [snapshot.item_id for snapshot in reading.item_snapshots]
    assert counted.count(old) == 2
    assert counted.count(young) == 8
    assert counted.count(recent) == 26  # at each sync for six days, then once a day


async def test_video_that_is_gone_is_noticed(follower: Follower, youtube: YoutubeServer) -> None:
    """A recent one at the next sync, by its id; an old one by the weekly pass."""
    recent = _publish(youtube, 2, NOW - DAY)
    old = _publish(youtube, 1, NOW - 200 * DAY)
    await follower.sync(NOW)
    youtube.take_down(UC, recent)
    reading = await follower.sync(NOW + HOUR)
    assert reading.listing is not None
    assert reading.listing.gone == [recent]
    youtube.take_down(UC, old)
    await follower.sync(NOW + 2 * HOUR)
    reading = await follower.sync(NOW + 8 * DAY)
    assert reading.listing is not None
    assert (list(reading.listing.item_ids), reading.listing.since) == ([], EVER)
    assert follower.listed == {}


async def test_hidden_counts_are_missing_never_zero(
    follower: Follower, youtube: YoutubeServer
) -> None:
    """Hidden subscribers, likes and comments that are off, and statistics that are not there."""
    youtube.channels[UC]["statistics"] |= {"hiddenSubscriberCount": True, "subscriberCount": "0"}
    shy, mute = _publish(youtube, 1, NOW), _publish(youtube, 2, NOW)
    youtube.videos[shy]["statistics"] = {"viewCount": "9"}
    del youtube.videos[mute]["statistics"]
    youtube.videos[mute]["contentDetails"]["duration"] = "P0D"
    reading = await follower.sync(NOW)
    [channel] = reading.channel_snapshots
    [snapshot] = reading.item_snapshots
    assert (channel.subscribers, channel.views) == (None, 1000)
    assert (snapshot.views, snapshot.likes, snapshot.comments) == (9, None, None)
    assert {item.id: item.duration_s for item in reading.items}[mute] is None


async def test_channel_without_uploads_is_empty(follower: Follower, youtube: YoutubeServer) -> None:
    """Its playlist is not found, which is no error and marks nothing unless it has no video."""
    youtube.uploads.clear()
    reading = await follower.sync(NOW)
    assert reading.listing is not None
    assert reading.listing.since == EVER
    youtube.channels[UC]["statistics"]["videoCount"] = "3"
    reading = await follower.sync(NOW + HOUR)
    assert reading.listing is not None
    assert reading.listing.since is None


async def test_deleted_channel_is_an_error(follower: Follower, youtube: YoutubeServer) -> None:
    """A channel that no longer exists is an error that says so."""
    await follower.sync(NOW)
    youtube.channels.clear()
    with pytest.raises(SourceError, match="YouTube knows no such channel") as error:
        await follower.sync(NOW + HOUR)
    assert not error.value.transient


async def test_what_was_read_before_the_quota_ended_is_kept(
    follower: Follower, youtube: YoutubeServer
) -> None:
    """The quota ends in the middle: the error holds what was paid for."""
    for number in range(60):
        _publish(youtube, number, NOW - number * HOUR)
    quota = Fault(403, b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}')
    answered = youtube._answer

    def answer_until_the_second_batch(asked: Any) -> Fault:
        return quota if youtube.resources.count("videos") > 1 else answered(asked)

    youtube._answer = answer_until_the_second_batch  # type: ignore[method-assign]
    with pytest.raises(QuotaError) as error:
        await follower.sync(NOW)
    assert error.value.reading is not None
    assert len(error.value.reading.items) == 50
    assert follower.memory == {}


async def test_whole_pass_waits_for_a_day_that_can_pay_for_it(
    follower: Follower, youtube: YoutubeServer, ledger: MemoryLedger, api: YoutubeApi
) -> None:
    """With few units left the newest are read, and the rest another day."""
    for number in range(300):
        _publish(youtube, number, NOW - 400 * DAY + number * DAY)
    await api.quota.spend(90, HERE)
    reading = await follower.sync(NOW)
    assert ledger.total == 90 + 1 + 4 + 4
    assert len(reading.items) == 200
    assert reading.listing is not None
    assert reading.listing.since == NOW - 400 * DAY + 100 * DAY
    ledger.units.clear()
    reading = await follower.sync(NOW + DAY)
    assert len(reading.items) == 300
