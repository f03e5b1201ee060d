"""Real feeds, well-formed and not, against a count of the same files by ElementTree."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from jobs.channel.records import Platform
from jobs.sources import Skipped, SourceError, discover, open_source
from tests.real_data import data_path

if TYPE_CHECKING:
    from pathlib import Path

ATOM = "{http://www.w3.org/2005/Atom}"
YT = "{http://www.youtube.com/xml/schemas/2015}"
ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
MEDIA = "{http://search.yahoo.com/mrss/}"
KURZGESAGT = "UCsXVk37bltHxD1rDPwtNM8Q"
FOLDERS = ("podcasts", "malformed", "youtube")


def recordings() -> list[Path]:
    """Return the recordings of one channel's feed, by time."""
    return sorted(data_path("feeds", "youtube").glob("kurzgesagt_*.xml"))


def views_in(path: Path) -> dict[str, int]:
    """Read the views of each video with nothing but the standard library."""
    root = ET.fromstring(path.read_bytes())  # noqa: S314 -- our own recording
    return {
        entry.findtext(f"{YT}videoId", ""): int(statistics.get("views", ""))
        for entry in root.iter(f"{ATOM}entry")
        for statistics in entry.iter(f"{MEDIA}statistics")
    }


def recorded_at(path: Path) -> datetime:
    """Return the time in the name of a recording."""
    return datetime.strptime(path.stem.partition("_")[2], "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)


async def test_recordings_of_one_channel_are_successive_snapshots() -> None:
    """Seventeen recordings are one channel, 61 videos, and the views of each at each time."""
    expected = {
        (recorded_at(path), video_id): views
        for path in recordings()
        for video_id, views in views_in(path).items()
    }
    sources = [await open_source(str(path)) for path in recordings()]
    readings = [source.read(KURZGESAGT) for source in sources]

    snapshots = [one for reading in readings for one in reading.item_snapshots]
    items = {item.id for reading in readings for item in reading.items}
    assert {(one.observed_at, one.item_id): one.views for one in snapshots} == expected
    assert (len(sources), len(items), len(snapshots)) == (17, 61, 255)
    assert {channel.id for source in sources for channel in source.channels()} == {KURZGESAGT}
    assert all(reading.channel_snapshots == () for reading in readings)
    assert not [reject for source in sources for reject in source.rejects]


async def test_the_view_count_that_falls_is_kept() -> None:
    """One video's views fall from one recording to the next, and stay as they were read."""
    views: dict[str, list[int]] = {}
    for path in recordings():
        source = await open_source(str(path))
        for one in source.read(KURZGESAGT).item_snapshots:
            views.setdefault(one.item_id, []).append(one.views or 0)
    falls = [
        (video_id, earlier, later)
        for video_id, counts in views.items()
        for earlier, later in pairwise(counts)
        if later < earlier
    ]
    assert len(falls) == 1


async def test_ratings_are_likes_once_dislikes_are_gone() -> None:
    """Recordings up to 2021 count dislikes among ratings; later ones have likes."""
    for path in recordings():
        source = await open_source(str(path))
        likes = [one.likes for one in source.read(KURZGESAGT).item_snapshots]
        assert all((count is None) == (recorded_at(path).year < 2022) for count in likes)


@pytest.mark.parametrize("folder", FOLDERS)
async def test_every_document_is_read_or_refused(folder: str) -> None:
    """Each document in a folder gives its channel or one clear line; none stops another."""
    root = data_path("feeds", folder)
    findings = await discover(str(root))
    assert len(findings) == sum(path.is_file() for path in root.rglob("*"))
    for finding in findings:
        assert not isinstance(finding, Skipped)
        if isinstance(finding, SourceError):
            assert str(finding).startswith(f"{finding.location}: is ")
            assert "\n" not in str(finding)
        else:
            (channel,) = finding.channels()
            assert channel.title
            finding.read(channel.id)


async def test_podcasts_give_every_episode() -> None:
    """All 16 documents are read; one of 997 episodes is listed twice, and reported."""
    findings = [
        finding
        for finding in await discover(str(data_path("feeds", "podcasts")))
        if not isinstance(finding, SourceError | Skipped)
    ]
    items = sum(len(one.read(one.channels()[0].id).items) for one in findings)
    rejects = [reject.reason for finding in findings for reject in finding.rejects]
    elements = sum(
        path.read_bytes().count(b"<item>") + path.read_bytes().count(b"<item ")
        for path in data_path("feeds", "podcasts").iterdir()
    )
    assert (len(findings), elements, items) == (16, 997, 996)
    assert rejects == ["entry 17 has the id of entry 18, which counts"]


def durations_in(path: Path) -> list[int | None]:
    """Read the length of each episode with nothing but the standard library."""
    lengths: list[int | None] = []
    for item in ET.fromstring(path.read_bytes()).iter("item"):  # noqa: S314 -- our own recording
        seconds = 0
        for part in (item.findtext(f"{ITUNES}duration") or "0").split(":"):
            seconds = seconds * 60 + int(part)
        lengths.append(seconds or None)
    return lengths


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("giantbomb-podcast.rss", 34),
        ("partytime_dk-podcast.xml", 0),
        ("partytime_launched.xml", 0),
    ],
)
async def test_podcast_durations_are_read(name: str, unknown: int) -> None:
    """Seconds, MM:SS and HH:MM:SS give each episode's length; zero is unknown."""
    path = data_path("feeds", "podcasts", name)
    source = await open_source(str(path))
    (channel,) = source.channels()
    lengths = [item.duration_s for item in source.read(channel.id).items]
    assert channel.platform is Platform.PODCAST
    assert lengths == durations_in(path)
    assert lengths.count(None) == unknown


async def test_a_channel_that_is_gone_is_an_error() -> None:
    """YouTube's page for a missing channel is an error that says so."""
    page = data_path("feeds", "youtube", "not_found_404_body.html")
    with pytest.raises(SourceError, match="is an HTML page titled 'Error 404") as error:
        await open_source(str(page))
    assert str(error.value).startswith(f"{page}: ")


@pytest.mark.parametrize(
    ("name", "channel_id", "count"),
    [
        ("atom_mediarss_youtube_1.xml", "UC7_gcs09iThXybpVgjHZ_7g", 1),
        ("capyreader_atom-feed-youtube.xml", "UC9PBzalIcEQCsiIkq36PyUA", 15),
        ("feedjira_youtube_atom.xml", "UCK8sQmJBp8GCxrOtXWBpyEA", 15),
    ],
)
async def test_youtube_feeds_of_other_readers_are_read(
    name: str, channel_id: str, count: int
) -> None:
    """Feeds without a channel tag, without `UC`, or with a blank line first are read in full."""
    source = await open_source(str(data_path("feeds", "youtube", name)))
    reading = source.read(channel_id)
    assert len(reading.items) == len(reading.item_snapshots) == count
