"""Real lists and exports: the counts are those of their collectors."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.sources import Skipped, SourceError, discover, open_source
from tests.real_data import data_path, data_root
from tests.unit.sources.csv.csv_text import mapping_named

if TYPE_CHECKING:
    from jobs.channel.records import ChannelReading
    from jobs.sources import Source

EXPORTS = "studio_exports"
TRENDING = "youtube_trending"
PANEL, AUTUMN = "trending_panel", "trending_2017_autumn"


async def opened(*parts: str, mapping: str | None = None) -> tuple[Source, list[ChannelReading]]:
    """Open a source of the real data, by the mapping of that name, and read all its channels."""
    path = mapping_named(mapping) if mapping else None
    source = await open_source(str(data_path(*parts)), mapping=path)
    return source, [source.read(channel.id) for channel in source.channels()]


async def export(name: str) -> ChannelReading:
    """Read the one channel of a Studio export."""
    _, (reading,) = await opened(EXPORTS, name)
    return reading


@pytest.mark.parametrize(
    ("name", "mapping", "channels", "snapshots", "rejected"),
    [
        ("us_2017-11_2018-06_panel.csv.gz", PANEL, 2188, 35_207, 2),
        ("us_2017-11_2018-06_videos.csv.gz", None, 2188, 6281, 0),
        ("us_2017-11_original_first3000.csv.gz", None, 553, 3000, 0),
        ("us_2017-09_2017-10.csv.gz", AUTUMN, 1230, 7992, 7),
        ("us_2020-08_new_format.csv.gz", None, 274, 872, 6),  # its last row is cut off
        ("dirty/us_2017-09_excel_resaved.csv.gz", AUTUMN, 1219, 7886, 112),
    ],
)
async def test_trending_lists(
    name: str, mapping: str | None, channels: int, snapshots: int, rejected: int
) -> None:
    """Every row is a snapshot, a repetition or a reject."""
    source, readings = await opened(TRENDING, *name.split("/"), mapping=mapping)
    assert len(readings) == channels
    assert sum(len(each.item_snapshots) for each in readings) == snapshots
    assert len(source.rejects) == rejected


async def test_panel_and_videos_are_one() -> None:
    """Titles and channels come from the list beside the panel, days and counters from the panel."""
    source, readings = await opened(TRENDING, "us_2017-11_2018-06_panel.csv.gz", mapping=PANEL)
    assert "5,343 rows repeated" in source.describe()
    assert len({item.id for each in readings for item in each.items}) == 6281
    days = {one.observed_at for each in readings for one in each.item_snapshots}
    assert (len(days), min(days)) == (205, datetime(2017, 11, 14, tzinfo=UTC))


async def test_comments_that_may_be_off_are_unknown() -> None:
    """The zeros of 2017 are unknown counters."""
    _, readings = await opened(TRENDING, "us_2017-09_2017-10.csv.gz", mapping=AUTUMN)
    comments = [one.comments for each in readings for one in each.item_snapshots]
    assert 0 not in comments
    assert comments.count(None) == 253


async def test_what_a_spreadsheet_spoiled_is_named() -> None:
    """A spreadsheet made errors of 101 ids and numbers of dates; some dates ran into ids."""
    source, _ = await opened(TRENDING, "dirty", "us_2017-09_excel_resaved.csv.gz", mapping=AUTUMN)
    reasons = [each.reason for each in source.rejects]
    assert sum("#NAME?" in reason for reason in reasons) == 101
    assert {reason for reason in reasons if "is not a date" in reason} == {
        "date is not a date: '24.09xcaeyJTx4Co'",
        "date is not a date: '26.0903jeumSTSzc'",
        "date is not a date: '100'",
    }


async def test_mixed_encodings_cost_no_row() -> None:
    """Lines that are not UTF-8 are decoded as well as possible."""
    source, readings = await opened(TRENDING, "dirty", "us_2017-11_2018-01_mixed_encoding.csv.gz")
    assert sum(len(each.item_snapshots) for each in readings) == 13_396
    assert not source.rejects
    assert "lines not in UTF-8" in source.describe()


async def test_daily_counters_of_videos() -> None:
    """The last run of a day counts; days on which a video was away are left out."""
    source, readings = await opened("video_daily", "daily_stats.csv.gz", mapping="video_daily")
    assert sorted(len(each.item_snapshots) for each in readings) == [303, 377, 377]
    assert not source.rejects


@pytest.mark.parametrize(
    ("name", "mapping", "counts"),
    [
        (
            "data_engineering_8_channels_videos.csv.gz",
            "data_engineering_videos",
            [19, 52, 65, 68, 158, 208, 279, 331],
        ),
        (
            "gaming_11_channels_videos.csv.gz",
            "gaming_videos",
            [263, 309, 1195, 1230, 1472, 2041, 2662, 2703, 2862, 3661, 4339],
        ),
    ],
)
async def test_video_lists(name: str, mapping: str, counts: list[int]) -> None:
    """Every video of every channel, and the channels' own counters from the list beside it."""
    _, readings = await opened("channel_video_lists", name, mapping=mapping)
    assert sorted(len(each.items) for each in readings) == counts
    assert all(len(each.channel_snapshots) == 1 for each in readings)


async def test_ids_come_from_the_lists_of_uploads() -> None:
    """A list without channel ids gets them from the uploads in the list beside it."""
    _, readings = await opened(
        "channel_video_lists",
        "data_engineering_8_channels_videos.csv.gz",
        mapping="data_engineering_videos",
    )
    assert {each.channel.id[:2] for each in readings} == {"UC"}


async def test_other_platforms() -> None:
    """Each row is a channel; `nan` and letters lost in the encoding stop nothing."""
    source, readings = await opened(
        "other_platforms",
        "global_youtube_statistics_2023.csv.gz",
        mapping="youtube_statistics",
    )
    assert (len(readings), len(source.rejects)) == (995, 0)
    assert sum(each.channel_snapshots[0].items is None for each in readings) == 43
    _, readings = await opened("other_platforms", "twitch_top1000.csv.gz")
    assert len(readings) == 1000
    _, (podcast,) = await opened("other_platforms", "podlove_episode_downloads_sample.csv")
    assert len(podcast.items) == 11


@pytest.mark.parametrize(
    ("name", "days", "first", "last"),
    [
        ("a_coding_train_geography", 365, date(2020, 12, 31), date(2021, 12, 30)),
        ("b_music_2007_2025", 1840, date(2020, 10, 31), date(2025, 11, 13)),
        ("c_traffic_source_28d", 28, date(2025, 2, 27), date(2025, 3, 26)),
        ("d_shorts_365d", 365, date(2025, 6, 13), date(2026, 6, 12)),
        ("e_views_subs_39d", 39, date(2022, 1, 1), date(2022, 2, 8)),
        ("f_subscribers_2014_2024", 282, date(2023, 11, 14), date(2024, 8, 21)),
    ],
)
async def test_studio_totals(name: str, days: int, first: date, last: date) -> None:
    """Days from the first with a figure, whatever their form."""
    gains = (await export(name)).channel_gains
    assert (len(gains), gains[0].day, gains[-1].day) == (days, first, last)
    assert len({gain.day for gain in gains}) == days


async def test_studio_subscribers_may_be_lost() -> None:
    """A net loss of subscribers on a day is kept as one."""
    for name in ("e_views_subs_39d", "f_subscribers_2014_2024"):
        gains = (await export(name)).channel_gains
        assert sum((gain.subscribers or 0) < 0 for gain in gains) == 1


@pytest.mark.parametrize(
    ("name", "items", "counted", "days"),
    [("b_music_2007_2025", 317, 316, 1693), ("d_shorts_365d", 442, 156, 1386)],
)
async def test_studio_videos(name: str, items: int, counted: int, days: int) -> None:
    """Items without the row of totals; counters of those that began within the range."""
    reading = await export(name)
    assert len(reading.items) == items
    assert len({one.item_id for one in reading.item_snapshots}) == counted
    assert len(reading.item_gains) == days
    assert not reading.rejects


async def test_studio_chart_and_table_agree() -> None:
    """The gains of a video on single days add up to its counter in the table."""
    for name in ("b_music_2007_2025", "d_shorts_365d"):
        reading = await export(name)
        views = {one.item_id: one.views for one in reading.item_snapshots}
        for item_id in {gain.item_id for gain in reading.item_gains}:
            gained = sum(gain.views or 0 for gain in reading.item_gains if gain.item_id == item_id)
            assert gained == views[item_id]


async def test_studio_table_alone() -> None:
    """A table without its range is read as of the whole lifetime."""
    reading = await export("g_community_lifetime")
    assert len(reading.items) == 220
    _, (reshaped,) = await opened(
        EXPORTS,
        "h_per_video_70_columns",
        "youtube_channel_real_performance_analytics.csv",
        mapping="reshaped_studio_videos",
    )
    assert len(reshaped.items) == len(reshaped.item_snapshots) == 364


async def test_every_file_is_a_source_or_one_line() -> None:
    """Every file in the folders is a source that can be described and read, or one clear line."""
    data_path(EXPORTS)
    for folder in sorted(path for path in data_root().iterdir() if path.is_dir()):
        for finding in await discover(str(folder)):
            match finding:
                case SourceError():
                    assert "\n" not in str(finding)
                case Skipped():
                    assert finding.reason
                    assert "\n" not in finding.reason
                case _:
                    first = finding.channels()[0]
                    assert finding.read(first.id).channel == first
                    assert "\n" not in finding.describe()
