"""Layouts, known and mapped: each file by its columns, each cell as what it means there."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelSnapshot, ItemSnapshot, Platform
from jobs.sources import open_source
from jobs.sources.csv.known_layouts import known_layouts, layout_of
from jobs.sources.source import SourceError
from tests.unit.sources.csv.csv_text import mapping_named, read_csv

if TYPE_CHECKING:
    from jobs.channel.records import ChannelReading
    from jobs.sources import Source
    from tests.unit.sources.conftest import Write

VIDEO, OTHER = "2kyS6SvSYSE", "-AZPwfrtAFY"
NOVEMBER_14 = datetime(2017, 11, 14, tzinfo=UTC)


def only(source: Source) -> ChannelReading:
    """Return the reading of the one channel of *source*."""
    (channel,) = source.channels()
    return source.read(channel.id)


def test_trending_lists_hold_successes_only() -> None:
    """Every layout with that name does, and no other."""
    for layout in known_layouts():
        assert layout.successes_only == ("trending" in layout.name), layout.name


def test_no_layout_hides_another() -> None:
    """A file with just the columns that a layout needs, and one counter, is of that layout."""
    for layout in known_layouts():
        rule = layout.rules[0]
        counters = {column for _, column in rule.counters(set(rule.columns.values()))}
        named = {*layout.needs, *layout.needs_one_of, *counters}
        assert layout_of(named) is layout, layout.name


def test_trending_list_of_2017() -> None:
    """Days are written year, day, month; hidden counters are unknown; tags are split."""
    source = read_csv(
        "video_id,trending_date,title,channel_title,category_id,publish_time,tags,views,likes,"
        "dislikes,comment_count,thumbnail_link,comments_disabled,ratings_disabled\n"
        f'{VIDEO},17.14.11,We talk,Casey,22,2017-11-13T17:13:01.000Z,"a"|"b c",100,10,1,5,x,'
        "False,True\n"
        f"{OTHER},17.14.11,More,Casey,22,2017-11-13T17:13:01.000Z,[none],7,3,1,0,x,True,False\n"
    )
    reading = only(source)
    assert reading.channel.id.startswith("title:")
    assert (reading.channel.title, reading.channel.platform) == ("Casey", Platform.YOUTUBE)
    assert reading.channel.successes_only
    assert [item.tags for item in reading.items] == [["a", "b c"], ()]
    assert reading.items[0].url == f"https://www.youtube.com/watch?v={VIDEO}"
    assert reading.items[0].published_at == datetime(2017, 11, 13, 17, 13, 1, tzinfo=UTC)
    assert reading.item_snapshots == [
        ItemSnapshot(VIDEO, NOVEMBER_14, views=100, likes=None, comments=5),
        ItemSnapshot(OTHER, NOVEMBER_14, views=7, likes=3, comments=None),
    ]


def test_trending_list_without_ids() -> None:
    """An item without an id is identified by title and publication, the same every day."""
    row = "17.{day}.11,We talk,Casey,22,2017-11-13T17:13:01.000Z,{views},1,1,1\n"
    reading = only(
        read_csv(
            "trending_date,title,channel_title,category_id,publish_time,views,likes,dislikes,"
            f"comment_count\n{row.format(day=14, views=5)}{row.format(day=15, views=9)}"
        )
    )
    (item,) = reading.items
    assert item.id.startswith("title:")
    assert [one.views for one in reading.item_snapshots] == [5, 9]


def test_trending_list_of_september_2017() -> None:
    """The year is the file's; what a spreadsheet did to dates and ids is undone or rejected."""
    rows = [
        f"{VIDEO},A,Casey,22,a|b,1,2,3,0,x,13.09",
        f"{VIDEO},A,Casey,22,a|b,2,3,3,4,x,1.1",
        "#NAME?,A,Casey,22,a|b,3,3,3,4,x,14.09",
        f"{VIDEO},A,Casey,22,a|b,4,3,3,4,x,24.09xcaeyJTx4Co",
    ]
    header = (
        "video_id,title,channel_title,category_id,tags,views,likes,dislikes,comment_total,"
        "thumbnail_link,date\n"
    )
    mapping = mapping_named("trending_2017_autumn")
    source = read_csv(header + "\r\n".join(rows), "us_2017-09.csv", mapping)
    assert only(source).item_snapshots == [
        ItemSnapshot(VIDEO, datetime(2017, 9, 13, tzinfo=UTC), views=1, likes=2, comments=None),
        ItemSnapshot(VIDEO, datetime(2017, 10, 1, tzinfo=UTC), views=2, likes=3, comments=4),
    ]
    assert [(reject.line, reject.reason) for reject in source.rejects] == [
        (4, "video_id is not a video id: '#NAME?'"),
        (5, "date is not a date: '24.09xcaeyJTx4Co'"),
    ]
    with pytest.raises(SourceError, match=r"has dates without a year\. Put it into"):
        read_csv(header + "\n".join(rows), "list.csv", mapping)


def test_trending_list_since_2020() -> None:
    """Every column is quoted, and descriptions contain line breaks."""
    source = read_csv(
        "video_id,title,publishedAt,channelId,channelTitle,categoryId,trending_date,tags,"
        "view_count,likes,dislikes,comment_count,thumbnail_link,comments_disabled,"
        "ratings_disabled,description\r\n"
        f'"{VIDEO}","I ASKED","2020-08-11T19:20:14Z","UCvtRTOMP2TqYqu51xNrqAzg","Brawadis","22",'
        '"2020-08-12T00:00:00Z","a|b","15","2","0","3","x","False","False","One\r\n\r\nTwo"\r\n'
    )
    reading = only(source)
    assert reading.channel.id == "UCvtRTOMP2TqYqu51xNrqAzg"
    assert reading.item_snapshots == [
        ItemSnapshot(VIDEO, datetime(2020, 8, 12, tzinfo=UTC), views=15, likes=2, comments=3)
    ]


async def test_trending_panel_takes_channels_from_the_list_beside_it(write: Write) -> None:
    """Counters by day in one file, titles and channels in another: one source."""
    mapping = mapping_named("trending_panel")
    panel = write(
        "panel.csv.gz",
        gzip.compress(
            f"\ufeffvideo_id,trending_date,category_id,views,category,likes,dislikes,comment_count\n"
            f"{VIDEO},17.14.11,22,5,People\u00a0& Blogs,1,1,1\n"
            f"{VIDEO},17.14.11,22,5,People\u00a0& Blogs,1,1,1\n"
            f"{VIDEO},17.15.11,22,9,People\u00a0& Blogs,1,1,1\n".encode()
        ),
    )
    with pytest.raises(SourceError, match=r"not say whose items these are\. Put a list"):
        await open_source(panel, mapping=mapping)
    write(
        "videos.csv",
        "video_id,trending_date,title,channel_title,category_id,publish_time,views\n"
        f"{VIDEO},17.15.11,We talk,Casey,22,2017-11-13T17:13:01.000Z,9\n",
    )
    source = await open_source(panel, mapping=mapping)
    reading = only(source)
    assert (reading.channel.title, reading.items[0].title) == ("Casey", "We talk")
    assert [one.views for one in reading.item_snapshots] == [5, 9]
    assert source.describe().endswith(
        "with videos.csv, 1 row repeated, 2 of 8 columns not read: category, dislikes"
    )


def test_daily_counters_of_videos() -> None:
    """The last of several runs on one of the tracker's days counts; empty rows are left out."""
    header = (
        "run_date_bkk,run_datetime_utc,video_id,channel_id,title,published_at,view_count,"
        "like_count,comment_count,label\n"
    )
    video = f"{VIDEO},UChFzJ0bYwztKa4H4oF8fOvw,Song,2025-08-08T13:03:07Z"
    source = read_csv(
        f"{header}2025-08-12,2025-08-11T17:15:00.25+00:00,{video},20,2,1,x\n"
        f"2025-08-12,2025-08-11T19:15:00+00:00,{video},30,3,1,x\n"
        f"2025-08-13,2025-08-12T17:15:00+00:00,{VIDEO},,,,,,,x\n",
        mapping=mapping_named("video_daily"),
    )
    assert only(source).item_snapshots == [
        ItemSnapshot(VIDEO, datetime(2025, 8, 11, 19, 15, tzinfo=UTC), 30, 3, 1)
    ]
    assert not source.rejects
    assert source.describe().endswith("1 row repeated, 1 of 10 columns not read: label")


async def test_lists_without_ids_and_the_channels_beside_them(write: Write) -> None:
    """Channels get ids from their titles, and counters from the list beside, with the same date."""
    videos = write(
        "videos.csv",
        ",channel,title,view_count,like_count,upload_date,duration,was_live\n"
        "0,Jess,Pisau!,31762,1842.0,2023-06-04T02:00:19Z,PT10S,0\n"
        "1,Jess,Live,5,,2023-06-03T02:00:19Z,P0D,1\n",
    )
    write("channels.csv", ",channel_name,sub_count,view_count,vid_count\n0,Jess,272,336,20\n")
    reading = only(await open_source(videos, mapping=mapping_named("gaming_videos")))
    newest = datetime(2023, 6, 4, 2, 0, 19, tzinfo=UTC)
    assert reading.channel_snapshots == [ChannelSnapshot(newest, 272, 336, 20)]
    assert {one.observed_at for one in reading.item_snapshots} == {newest}
    assert {(item.title, item.duration_s, item.live) for item in reading.items} == {
        ("Pisau!", 10, False),
        ("Live", None, True),
    }


async def test_lists_of_the_api_take_ids_from_the_uploads_beside_them(write: Write) -> None:
    """The list of a channel's uploads names the channel; day and time of day are one."""
    videos = write(
        "videos.csv",
        "id,channelTitle,title,description,tags,viewCount,likeCount,commentCount,duration,"
        f'datepublished,timepublished\n{VIDEO},Darshil,DE,"a\n\nb","x, y",13407.0,817.0,114.0,'
        "846.0,2024-10-27,15:07:20\n",
    )
    write(
        "channels.csv",
        "channelTitle,subscribers,views,totalVideos,uploads\nDarshil,157,763,158,"
        "UUChmJrVa8kDg05JfCmxpLRw\n",
    )
    reading = only(await open_source(videos, mapping=mapping_named("data_engineering_videos")))
    assert reading.channel.id == "UCChmJrVa8kDg05JfCmxpLRw"
    (item,) = reading.items
    assert (item.tags, item.duration_s) == (["x", "y"], 846)
    assert item.published_at == datetime(2024, 10, 27, 15, 7, 20, tzinfo=UTC)


def test_channel_lists_are_dated_by_their_file() -> None:
    """A list without any date is of the end of the year in its name; `nan` and 0 are unknown."""
    source = read_csv(
        "rank,Youtuber,subscribers,video views,uploads,channel_type\n"
        "1,T-Series,245000000,2.28E+11,20082,Music\n2,Movies,nan,0,1,Games\n",
        "statistics_2023.csv",
        mapping_named("youtube_statistics"),
    )
    end = datetime(2023, 12, 31, tzinfo=UTC)
    first, second = (source.read(channel.id).channel_snapshots for channel in source.channels())
    assert first == [ChannelSnapshot(end, 245_000_000, 228_000_000_000, 20_082)]
    assert second == [ChannelSnapshot(end, None, None, 1)]


def test_twitch_lists_have_twitch_ids() -> None:
    """A channel on Twitch is known by its login, however it is shown."""
    source = read_csv(
        "Channel,Peak viewers,Average viewers,Followers\nxQcOW,1,1,32\n한동숙 (handongsuk),1,1,5\n"
    )
    assert [(each.id, each.url, each.platform) for each in source.channels()] == [
        ("twitch:xqcow", "https://www.twitch.tv/xqcow", Platform.STREAM),
        ("twitch:handongsuk", "https://www.twitch.tv/handongsuk", Platform.STREAM),
    ]


def test_podcast_downloads_by_age_are_snapshots_after_publication() -> None:
    """A column for each age is an observation at that age."""
    reading = only(
        read_csv(
            "title,id,post_id,post_date_gmt,downloads,1w,2d,1d\n"
            "Episode 10,310,681,2019-10-20 05:00,238,206,172,139\n",
            "my_podcast.csv",
        )
    )
    published = datetime(2019, 10, 20, 5, tzinfo=UTC)
    assert (reading.channel.title, reading.channel.platform) == ("my_podcast", Platform.PODCAST)
    assert [(one.observed_at - published, one.views) for one in reading.item_snapshots] == [
        (timedelta(days=1), 139),
        (timedelta(days=2), 172),
        (timedelta(days=7), 206),
    ]


def test_lines_in_another_encoding_are_read_and_counted() -> None:
    """A file put together from several sources keeps every row."""
    source = read_csv(
        b"date_utc,channel_id,channel_title,views\n2026-01-17,a,Caf\xe9,1\n"
        b"2026-01-17,b,Caf\xc3\xa9,1\n"
    )
    assert [channel.title for channel in source.channels()] == ["Café", "Café"]
    assert source.describe().endswith("1 line not in UTF-8")


@pytest.mark.parametrize(
    "header",
    [
        "video_id,channel_id,title,published_at,fetched_at,view_count",
        "videoId,channelId,title,publishedAt,collected_at,viewCount",
        "id.video,snippet.channelId,snippet.title,snippet.publishedAt,query_time,statistics.viewCount",
        "Video ID,Channel ID,Video Title,Publish_Date,snapshot_date,Views",
    ],
)
def test_lists_of_the_api_by_other_names(header: str) -> None:
    """Programs that ask the Data API name their columns as they like."""
    header = header.replace("id.video", "youtube_id")
    row = "q1w2e3r4t5y,UCabcdefghijklmnopqrstuv,One,2023-05-01 08:00:00,2023-05-04 09:00:00,321"
    source = read_csv(f"{header}\n{row}\n")
    (channel,) = source.channels()
    reading = source.read(channel.id)
    assert channel.id == "UCabcdefghijklmnopqrstuv"
    assert [item.title for item in reading.items] == ["One"]
    assert [(each.views, each.observed_at.day) for each in reading.item_snapshots] == [(321, 4)]


def test_a_trending_list_may_have_lost_its_titles() -> None:
    """An item is then called by its id; without both nothing names it."""
    header = "video_id,trending_date,channel_title,publish_time,views"
    row = "q1w2e3r4t5y,18.04.05,Some,2018-05-01T08:00:00.000Z,321"
    source = read_csv(f"{header}\n{row}\n")
    (item,) = source.read(source.channels()[0].id).items
    assert item.title == "q1w2e3r4t5y"


def test_columns_that_are_not_read_are_named() -> None:
    """What a list has and nobody reads is said where it is described."""
    source = read_csv("date_utc,channel_id,views,mood,weather\n2023-05-04,c,5,good,rain\n")
    assert source.describe().endswith("2 of 5 columns not read: mood, weather")


def test_tiktoks_days_have_the_year_of_their_file() -> None:
    """They are what came in on each day; without a year anywhere they are refused."""
    header = '"Date","Video Views","Profile Views","Likes"'
    text = f'{header}\n"December 31","7","1","2"\n"January 1","9","0","1"\n'
    source = read_csv(text, "Overview_2022.csv")
    gains = source.read(source.channels()[0].id).channel_gains
    assert [(str(gain.day), gain.views) for gain in gains] == [("2022-12-31", 7), ("2023-01-01", 9)]
    with pytest.raises(SourceError, match="date has no year"):
        read_csv(text, "Overview.csv")


def test_tiktoks_followers_are_counters_and_gains() -> None:
    """A day that TikTok does not know is empty."""
    text = (
        "Date,Followers,Difference in followers from previous day\n"
        "30 May,undefined,0\n31 May,104,-3\n"
    )
    reading = only(read_csv(text, "FollowerHistory 2023.csv"))
    assert [each.subscribers for each in reading.channel_snapshots] == [104]
    assert [each.subscribers for each in reading.channel_gains] == [0, -3]


@pytest.mark.parametrize(
    ("header", "row", "channel", "views"),
    [
        (
            "Video title,Video link,Post time,Total likes,Total comments,Total views",
            "One,https://www.tiktok.com/@x/video/7,2023-05-04 19:05:00,12,3,4321",
            "path:",
            4321,
        ),
        (
            "Post ID,Account ID,Account username,Description,Publish time,Permalink,Views,Likes",
            'p1,178,some_one,"Hi, all",05/04/2023 08:31,https://e.example/p,"4,321",5',
            "instagram:178",
            4321,
        ),
        (
            "Post ID,Page ID,Page name,Title,Duration (sec),Publish time,Permalink,Views,Reactions",
            "p1,178,Some Page,Hello,9,05/04/2023 08:31,https://e.example/p,4321,5",
            "facebook:178",
            4321,
        ),
    ],
)
def test_posts_of_other_platforms(header: str, row: str, channel: str, views: int) -> None:
    """Items with their publication and counters, under the account that has them."""
    reading = only(read_csv(f"{header}\n{row}\n"))
    (item,) = reading.items
    assert reading.channel.id.startswith(channel)
    assert item.published_at
    assert (item.published_at.month, item.published_at.day) == (5, 4)
    assert [each.views for each in reading.item_snapshots] == [views]
