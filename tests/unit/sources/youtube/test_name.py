"""Every way in which people name a channel on YouTube."""

from __future__ import annotations

import pytest

from jobs.sources.source import SourceError
from jobs.sources.youtube.name import NameKind, YoutubeName, is_youtube, youtube_name

UC = "UCkRfArvrzheW2E7b6SVT7vQ"
VIDEO = YoutubeName(NameKind.VIDEO, "VKf6NF0OD5A")
HANDLE = YoutubeName(NameKind.HANDLE, "@YouTubeCreators")
CHANNEL = YoutubeName(NameKind.CHANNEL, UC)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("youtube:@YouTubeCreators", HANDLE),
        (f"youtube:{UC}", CHANNEL),
        ("youtube:YouTubeCreators", YoutubeName(NameKind.CUSTOM, "YouTubeCreators")),
        ("youtube:@Ünïcode.name", YoutubeName(NameKind.HANDLE, "@Ünïcode.name")),
        ("https://www.youtube.com/@YouTubeCreators", HANDLE),
        ("https://youtube.com/@YouTubeCreators/videos?view=0", HANDLE),
        ("http://m.youtube.com/%40YouTubeCreators", HANDLE),
        ("youtube:youtube.com/@YouTubeCreators", HANDLE),
        (f"https://www.youtube.com/channel/{UC}", CHANNEL),
        (f"https://www.youtube.com/channel/{UC}/about", CHANNEL),
        ("https://www.youtube.com/user/creator", YoutubeName(NameKind.USER, "creator")),
        ("https://www.youtube.com/c/Creator", YoutubeName(NameKind.CUSTOM, "Creator")),
        ("https://www.youtube.com/Creator", YoutubeName(NameKind.CUSTOM, "Creator")),
        ("https://www.youtube.com/watch?t=4&v=VKf6NF0OD5A", VIDEO),
        ("https://youtu.be/VKf6NF0OD5A?si=x", VIDEO),
        ("https://www.youtube.com/shorts/VKf6NF0OD5A", VIDEO),
        ("https://www.youtube.com/live/VKf6NF0OD5A", VIDEO),
    ],
)
def test_name_is_read_in_every_spelling(location: str, name: YoutubeName) -> None:
    """Ids, handles, old names and addresses differ by their spelling alone."""
    assert is_youtube(location)
    assert youtube_name(location) == name


@pytest.mark.parametrize(
    "location",
    [
        f"https://www.youtube.com/feeds/videos.xml?channel_id={UC}",
        "https://example.org/@YouTubeCreators",
        "youtube.csv",
        "https://[broken/",
    ],
)
def test_feeds_and_others_are_no_names(location: str) -> None:
    """A channel's feed is read as a feed."""
    assert not is_youtube(location)


@pytest.mark.parametrize(
    "location",
    [
        "youtube:",
        "youtube:@",
        "youtube:two words",
        "https://www.youtube.com/",
        "https://www.youtube.com/playlist?list=PL1",
        "https://www.youtube.com/results?search_query=x",
        "https://www.youtube.com/watch?v=short",
        "https://www.youtube.com/channel/UC1",
        "https://www.youtube.com/user/",
        "https://youtu.be/",
    ],
)
def test_address_of_no_channel_says_what_to_write(location: str) -> None:
    """A location without channel or video is an error in one line, with the ways to write one."""
    with pytest.raises(SourceError, match=r"names no channel on YouTube\. Write youtube:@handle"):
        youtube_name(location)
