"""No two sentences of a report contradict each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.lists import open_list
from jobs.analysis import analyze
from jobs.charts import build_charts
from jobs.charts.document import compose
from jobs.recommendations import advise
from jobs.sources import open_source
from jobs.store import migrate, open_store
from tests.unit.analysis.channels import Item, catalogue, channel_data, growing
from tests.unit.charts.agreement import Claim, contradictions, known_of, sentences_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.channel.data import ChannelData
    from jobs.charts.document import Document

DATA = Path(__file__).parents[3].parent / "shared" / "data"
MOST = 60

SETS = {
    "counters and two lists": (
        "channel_daily/daily_snapshots.csv.gz",
        "channel_daily/videos_2026-01.csv.gz",
        "channel_daily/videos_2026-02.csv.gz",
    ),
    "counters": ("vtuber_daily/daily.csv.gz",),
    "whole lists": ("channel_video_lists/gaming_11_channels_videos.csv.gz",),
    "a feed over years": ("feeds/youtube/kurzgesagt_*.xml",),
    "podcasts": ("feeds/podcasts/rss_2.0_*.xml", "feeds/podcasts/giantbomb-podcast.rss"),
    "downloads": ("other_platforms/podlove_episode_downloads_sample.csv",),
    "streams": ("other_platforms/twitch_top1000.csv.gz",),
    "trending": ("youtube_trending/us_2017-11_original_first3000.csv.gz",),
    "followed videos": ("video_daily/daily_stats.csv.gz",),
    **{
        f"export {name}": (f"studio_exports/{name}",)
        for name in (
            *("a_coding_train_geography", "b_music_2007_2025", "c_traffic_source_28d"),
            *("d_shorts_365d", "e_views_subs_39d", "f_subscribers_2014_2024"),
            "g_community_lifetime",
        )
    },
}


def report(data: ChannelData) -> Document:
    """Return the report of *data*, as a run makes it."""
    analysis = analyze(data)
    advice = advise(data, analysis)
    charts = build_charts(data, analysis)
    return compose(data.channel, analysis, charts, advice.recommendations, answers=advice.answers)


def disagreements(data: ChannelData) -> list[str]:
    """Return the pairs of sentences in the report of *data* that contradict each other."""
    return contradictions(sentences_of(report(data)), known_of(data))


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "About 4.7 videos a week, in bursts",
            "Videos per week over 8 weeks: 3.8 on average, 6 at",
        ],
        ["Videos a week: 4.7 (at irregular intervals)", "About one video in 2 weeks, regular"],
        [
            "Videos: 40 (of 90 on the channel)",
            "1 Jan – 3 Feb 2026 · 25 days of counters · 41 videos",
        ],
        ["Subscribers: 122K (+7,000 in 24 days)", "Subscribers grew to 124K: +7,000 in 24 days."],
        ["Views a day: 20.2K (last 7 days; x)", "Views vary: 19.8K views a day in the last week"],
        ["10 a day in the 7 days up to 3 May 2026", "12 a day in the 7 days up to 3 May 2026"],
        ["9 a day in the 7 days up to 3 May 2026", "9 a day in the 7 days up to 4 May 2026"],
    ],
)
def test_agreement_sees_a_contradiction(sentences: list[str]) -> None:
    """Two numbers for one fact, or two last days, are found."""
    assert contradictions(sentences)


def test_agreement_sees_what_the_raw_numbers_deny() -> None:
    """A sentence that agrees with all others and not with the channel's own count is found."""
    own = Claim("items a week", 3.9, 3.9, "the channel's own count: 3.900")
    assert contradictions(["About 4.7 videos a week"], [own])
    assert not contradictions(["About 3.9 videos a week"], [own])


def test_agreement_allows_for_rounding() -> None:
    """The same number with more and with fewer digits is the same number."""
    same = ["Subscribers: 122K (read today)", "Subscribers, 25 readings: from 115,000 to 122,400,"]
    assert not contradictions(same)
    assert not contradictions(["About 0.52 videos a week", "About one video in 2 weeks"])


@pytest.mark.parametrize("silent_for", [3, 40])
def test_agreement_of_a_channel_that_publishes_in_bursts(silent_for: int) -> None:
    """Bursts, silence and a partial list give one number a week, the channel's own count's."""
    days = 60
    newest = [Item(20 + i / 7, views=900 + i, read_day=30.0 + silent_for) for i in range(21)]
    counted: list[int | None] = [500 + day // 2 for day in range(days)]
    data = channel_data(
        items=newest, counted=counted, views=growing(days), subscribers=[1_000] * days
    )
    assert not disagreements(data)
    assert disagreements(channel_data(items=catalogue(60), views=growing(60))) == []


@pytest.mark.parametrize("name", SETS)
def test_agreement_of_real_reports(name: str, tmp_path: Path) -> None:
    """The reports of real channels, read from files and stored, contradict themselves nowhere."""
    paths = [path for pattern in SETS[name] for path in sorted(DATA.glob(pattern))]
    if not paths:
        pytest.skip(f"no {DATA}")
    url = f"sqlite:///{tmp_path}/store.db"
    channels = asyncio.run(_stored(paths, url))
    assert channels
    found = {data.channel.title: wrong for data in channels if (wrong := disagreements(data))}
    assert not found


async def _stored(paths: Iterable[Path], url: str) -> list[ChannelData]:
    await migrate(url)
    known: dict[str, None] = {}
    async with open_store(url) as store:
        for path in paths:
            is_file = path.is_file()
            source = await open_list(path) if is_file else await open_source(str(path))
            channels = source.channels()
            for channel in channels[:: -(-len(channels) // MOST)]:
                await store.readings.save([source.read(channel.id)])
                known[channel.id] = None
        return [await store.readings.load(each) for each in known]
