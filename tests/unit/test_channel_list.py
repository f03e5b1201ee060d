"""`pipeline channels list` names what it counts as each platform does."""

from __future__ import annotations

import pytest

from jobs.channel.records import ChannelRecord, Platform
from jobs.commands.channels.listing import columns
from jobs.store.rows import ChannelOverview, ChannelSync
from runner.commands.tables import Table

COUNTERS = (9_000, 8_000_000, 700)


def listed(*platforms: Platform, items: int = 60) -> list[str]:
    """Return the lines of a list of one channel of each of *platforms*."""
    found = [
        ChannelOverview(ChannelRecord(each, each, each), items, ChannelSync(), COUNTERS)
        for each in platforms
    ]
    return list(Table(columns(found), found).lines(None))


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        (Platform.YOUTUBE, ("items", "subscribers", "views, 7 d")),
        (Platform.PODCAST, ("episodes", "subscribers", "downloads, 7 d")),
        (Platform.STREAM, ("streams", "followers", "views, 7 d")),
        (Platform.TIKTOK, ("videos", "followers", "views, 7 d")),
        (Platform.INSTAGRAM, ("posts", "followers", "views, 7 d")),
    ],
)
def test_a_list_of_one_platform_has_its_headings(
    platform: Platform, words: tuple[str, ...]
) -> None:
    """So its numbers stand alone."""
    head, row = listed(platform)
    assert all(word in head for word in words)
    assert " 60  " in row


def test_a_list_of_several_has_their_words_in_the_rows() -> None:
    """Only where a platform has another one than stands above."""
    head, *rows = listed(Platform.YOUTUBE, Platform.PODCAST, Platform.STREAM)
    assert "subscribers" in head
    assert "followers" not in rows[0] + rows[1]
    assert "+700 downloads" in rows[1]
    assert "9,000 followers" in rows[2]
    _, *rows = listed(Platform.YOUTUBE, Platform.PODCAST, items=1)
    assert "1 episode " in rows[1]
    assert "item" not in rows[0]
