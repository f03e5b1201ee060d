"""Real answers of the YouTube Data API, replayed by a real server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.channel.records import EVER
from jobs.sources.memory import SourceMemory
from jobs.sources.youtube.channel import find_channel, read_channel
from jobs.sources.youtube.name import youtube_name
from jobs.sources.youtube.records import channel_facts, listed_video, video_item, video_snapshot
from tests.real_data import data_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jobs.sources.youtube.api import YoutubeApi
    from tests.unit.sources.youtube.youtube_server import YoutubeServer

DATA = data_path("youtube_api")
NOW = datetime(2020, 2, 6, 12, tzinfo=UTC)
PLAYLIST = "PLpjK416fmKwQlQ0KvTWFmXZZa3d4IO2ro"


def _items(kind: str) -> Iterator[dict[str, Any]]:
    """Every entry of *kind* in all recordings and bodies."""
    for path in sorted(DATA.rglob("*.json")):
        document = json.loads(path.read_text())
        body = document.get("response", {}).get("body", document)
        for item in (body or {}).get("items") or []:
            if isinstance(item, dict) and item.get("kind") == kind:
                yield item


def test_every_recorded_channel_is_read() -> None:
    """Whatever part was asked for, counts become numbers, and missing ones None."""
    found = [channel_facts(item) for item in _items("youtube#channel")]
    counted = [facts for facts in found if facts.views is not None]
    assert len(found) >= 15
    assert counted
    assert all(facts.id.startswith("UC") for facts in found)
    assert any(facts.subscribers is None for facts in counted) or all(
        facts.subscribers for facts in counted
    )


def test_every_recorded_video_is_read() -> None:
    """Missing likes are missing, dates are read with and without milliseconds."""
    entries = list(_items("youtube#video"))
    items = [video_item(entry) for entry in entries]
    snapshots = [video_snapshot(entry, NOW) for entry in entries]
    counted = [one for one in snapshots if one]
    statistics = [entry["statistics"] for entry in entries if "statistics" in entry]
    assert len(statistics) == 101
    for name, values in (
        ("viewCount", [one.views for one in counted]),
        ("likeCount", [one.likes for one in counted]),
        ("commentCount", [one.comments for one in counted]),
    ):
        recorded = [int(counts[name]) for counts in statistics if name in counts]
        assert [value for value in values if value is not None] == recorded
    dated = [item for item, entry in zip(items, entries, strict=True) if "snippet" in entry]
    assert all(item.published_at for item in dated)


def test_every_recorded_playlist_entry_is_read() -> None:
    """Id and date come from whichever part was asked for."""
    entries = [item for item in _items("youtube#playlistItem") if "snippet" in item]
    assert len(entries) > 200
    assert all(listed_video(entry) for entry in entries)


@pytest.fixture
def recorded(youtube: YoutubeServer) -> Mapping[str, Any]:
    """Let the server hold the recorded channel, its playlist of 67, and the videos recorded."""
    channel: dict[str, Any] = {}
    for item in _items("youtube#channel"):
        if item["id"] == "UCBR8-60-B28hp2BmDPdntcQ":
            channel |= item
    channel["contentDetails"] = {"relatedPlaylists": {"uploads": PLAYLIST}}
    youtube.channels[channel["id"]] = channel
    entries = {
        item["snippet"]["resourceId"]["videoId"]: item
        for item in _items("youtube#playlistItem")
        if item.get("snippet", {}).get("playlistId") == PLAYLIST
    }
    youtube.uploads[PLAYLIST] = list(entries.values())
    for item in _items("youtube#video"):
        youtube.videos[item["id"]] = youtube.videos.get(item["id"], {}) | item
    return channel


async def test_recorded_channel_is_synced(
    api: YoutubeApi, youtube: YoutubeServer, recorded: Mapping[str, Any]
) -> None:
    """Found, paged, asked in batches; what was recorded without an answer is gone."""
    location = f"youtube:{recorded['id']}"
    found = await find_channel(api, youtube_name(location), location)
    assert found.facts.title == recorded["snippet"]["title"]
    result = await read_channel(api, location, recorded["id"], SourceMemory(), NOW)
    reading = result.reading
    assert reading is not None
    assert reading.listing is not None
    listed, gone = set(reading.listing.item_ids), set(reading.listing.gone)
    assert reading.listing.since == EVER
    assert len(listed) == len(youtube.uploads[PLAYLIST]) >= 67
    assert {item.id for item in reading.items} == listed - gone
    [counters] = reading.channel_snapshots
    assert counters.views == int(recorded["statistics"]["viewCount"])
