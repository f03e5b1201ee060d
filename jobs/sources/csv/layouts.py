"""
The layouts that are known, each by its columns: the first that fits a file's header is taken.

Columns are found by name, in small letters, in any order and with any others beside them. A list
without a time of observation is dated as `csv_source` says.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jobs.channel.records import Platform
from jobs.sources.csv.layout import Companion, Layout, RowRule

if TYPE_CHECKING:
    from collections.abc import Collection

DAILY_COUNTERS = Layout(
    name="daily counters",
    needs={"date_utc", "channel_id"},
    rules=(
        RowRule(
            columns={
                "observed_at": "date_utc",
                "channel_id": "channel_id",
                "channel_title": "channel_title",
                "subscribers": "subscribers",
                "views": "views",
                "items": "videos",
            },
        ),
    ),
)

VTUBER_DAILY = Layout(
    name="daily counters on two platforms",
    needs={"snapshot_at", "vtuber_id"},
    # Whoever is on both has a channel on each: other people, other counters.
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            columns={
                "observed_at": "snapshot_at",
                "channel_id": "their youtube id",
                "channel_title": "their name",
                "subscribers": "youtube_subscribers",
                "views": "youtube_total_views",
            },
            or_else={"channel_id": "vtuber_id"},
        ),
        RowRule(
            platform=Platform.STREAM,
            prefix="twitch:",
            columns={
                "observed_at": "snapshot_at",
                "channel_id": "their twitch login",
                "channel_title": "their name",
                "subscribers": "twitch_followers",
            },
            or_else={"channel_id": "vtuber_id"},
        ),
    ),
    companions=(
        Companion(
            needs={"vtuber_id", "name", "youtube_channel_id", "twitch_login"},
            key=("vtuber_id", "vtuber_id"),
            gives={
                "name": "their name",
                "youtube_channel_id": "their youtube id",
                "twitch_login": "their twitch login",
            },
        ),
    ),
)

VIDEO_LIST = Layout(
    name="video list",
    needs={"snapshot_utc", "channel_id", "video_id"},
    rules=(
        RowRule(
            columns={
                "observed_at": "snapshot_utc",
                "channel_id": "channel_id",
                "channel_title": "channel_title",
                "item_id": "video_id",
                "title": "title",
                "published_at": "published_at",
                "duration": "duration_iso8601",
                "category": "category_id",
                "views": "view_count",
                "likes": "like_count",
                "comments": "comment_count",
            },
        ),
    ),
)

VIDEO_DAILY = Layout(
    name="daily counters of videos",
    needs={"run_date_bkk", "run_datetime_utc", "video_id", "channel_id"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            # Several runs on one day: the last one counts.
            columns={
                "observed_at": "run_datetime_utc",
                "day": "run_date_bkk",
                "channel_id": "channel_id",
                "item_id": "video_id",
                "title": "title",
                "published_at": "published_at",
                "views": "view_count",
                "likes": "like_count",
                "comments": "comment_count",
            },
        ),
    ),
)

TRENDING_2020 = Layout(
    name="trending list, since 2020",
    successes_only=True,
    needs={"video_id", "channelid", "channeltitle", "publishedat", "trending_date", "view_count"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            item_ids="youtube",
            columns={
                "observed_at": "trending_date",
                "channel_id": "channelid",
                "channel_title": "channeltitle",
                "item_id": "video_id",
                "title": "title",
                "published_at": "publishedat",
                "category": "categoryid",
                "tags": "tags",
                "views": "view_count",
                "likes": "likes",
                "comments": "comment_count",
            },
            hidden={"likes": "ratings_disabled", "comments": "comments_disabled"},
        ),
    ),
)

TRENDING_2017 = Layout(
    name="trending list, November 2017 to 2018",
    successes_only=True,
    # Some copies have lost video_id: then an item is known by its title and publication.
    needs={"trending_date", "title", "channel_title", "publish_time", "views"},
    dates={"observed_at": "YY.DD.MM"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            item_ids="youtube",
            titled_only=True,
            columns={
                "observed_at": "trending_date",
                "channel_title": "channel_title",
                "item_id": "video_id",
                "title": "title",
                "published_at": "publish_time",
                "category": "category_id",
                "tags": "tags",
                "views": "views",
                "likes": "likes",
                "comments": "comment_count",
            },
            hidden={"likes": "ratings_disabled", "comments": "comments_disabled"},
        ),
    ),
)

TRENDING_PANEL = Layout(
    name="trending panel",
    successes_only=True,
    needs={"video_id", "trending_date", "views", "likes", "comment_count"},
    avoids={"title"},
    dates={"observed_at": "YY.DD.MM"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            item_ids="youtube",
            titled_only=True,
            columns={
                "observed_at": "trending_date",
                "channel_title": "their channel",
                "item_id": "video_id",
                "title": "their title",
                "published_at": "their publication",
                "category": "category_id",
                "views": "views",
                "likes": "likes",
                "comments": "comment_count",
            },
        ),
    ),
    companions=(
        Companion(
            needs={"video_id", "title", "channel_title", "publish_time"},
            key=("video_id", "video_id"),
            gives={
                "title": "their title",
                "channel_title": "their channel",
                "publish_time": "their publication",
            },
            required=True,
        ),
    ),
)

TRENDING_SEPTEMBER_2017 = Layout(
    name="trending list, September and October 2017",
    successes_only=True,
    needs={"video_id", "title", "channel_title", "comment_total", "date", "views"},
    dates={"observed_at": "DD.MM"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            item_ids="youtube",
            titled_only=True,
            columns={
                "observed_at": "date",
                "channel_title": "channel_title",
                "item_id": "video_id",
                "title": "title",
                "category": "category_id",
                "tags": "tags",
                "views": "views",
                "likes": "likes",
                "comments": "comment_total",
            },
            # Where comments are off the list says zero.
            zero_is_unknown=("comments",),
        ),
    ),
)

API_CHANNEL_LIST = Layout(
    name="channel list",
    needs={"channeltitle", "uploads", "subscribers", "views"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            # The list of a channel's uploads is named like the channel, but for its second letter.
            columns={
                "channel_id": "uploads",
                "channel_title": "channeltitle",
                "subscribers": "subscribers",
                "views": "views",
                "items": "totalvideos",
            },
        ),
    ),
)

API_VIDEO_LIST = Layout(
    name="video list without dates of observation",
    needs={"id", "channeltitle", "title", "viewcount", "duration"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            columns={
                "channel_id": "their uploads",
                "channel_title": "channeltitle",
                "item_id": "id",
                "title": "title",
                "published_at": "published",
                "duration": "duration",
                "tags": "tags",
                "views": "viewcount",
                "likes": "likecount",
                "comments": "commentcount",
            },
        ),
    ),
    joined={"published": ("datepublished", "timepublished")},
    companions=(
        Companion(
            needs=API_CHANNEL_LIST.needs,
            key=("channeltitle", "channeltitle"),
            gives={"uploads": "their uploads"},
            layout=API_CHANNEL_LIST,
        ),
    ),
)

GAMING_CHANNEL_LIST = Layout(
    name="channel list",
    needs={"channel_name", "sub_count", "view_count", "vid_count"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            columns={
                "channel_title": "channel_name",
                "subscribers": "sub_count",
                "views": "view_count",
                "items": "vid_count",
            },
        ),
    ),
)

GAMING_VIDEO_LIST = Layout(
    name="video list without ids",
    needs={"channel", "title", "view_count", "like_count", "upload_date", "duration"},
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            columns={
                "channel_title": "channel",
                "title": "title",
                "published_at": "upload_date",
                "duration": "duration",
                "live": "was_live",
                "views": "view_count",
                "likes": "like_count",
            },
        ),
    ),
    companions=(
        Companion(
            needs=GAMING_CHANNEL_LIST.needs,
            key=("channel", "channel_name"),
            gives={},
            layout=GAMING_CHANNEL_LIST,
        ),
    ),
)

STUDIO_RESHAPED = Layout(
    name="videos of one channel, as Studio counts them",
    needs={"id", "video duration", "video publish time", "new comments", "views", "likes"},
    dates={"published_at": "%d-%m-%Y %H:%M"},
    title="{folder}",
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            columns={
                "item_id": "id",
                "published_at": "video publish time",
                "duration": "video duration",
                "views": "views",
                "likes": "likes",
                "comments": "new comments",
            },
        ),
    ),
)

SOCIAL_BLADE = Layout(
    name="channel list",
    needs={"youtuber", "subscribers", "video views", "uploads", "channel_type"},
    untold=("nan",),
    rules=(
        RowRule(
            platform=Platform.YOUTUBE,
            titled_only=True,
            columns={
                "channel_title": "youtuber",
                "subscribers": "subscribers",
                "views": "video views",
                "items": "uploads",
            },
            # A channel with millions of subscribers has uploads and views: zero is "not read".
            zero_is_unknown=("views", "items"),
        ),
    ),
)

TWITCH_LIST = Layout(
    name="channel list",
    needs={"channel", "followers", "peak viewers", "average viewers"},
    rules=(
        RowRule(
            platform=Platform.STREAM,
            prefix="twitch:",
            columns={
                "channel_id": "channel",
                "channel_title": "channel",
                "subscribers": "followers",
            },
        ),
    ),
)

_PODLOVE_AGES = {
    **{f"{days}d": days for days in range(1, 7)},
    **{f"{weeks}w": 7 * weeks for weeks in range(1, 5)},
    **{f"{quarters}q": 91 * quarters for quarters in range(1, 4)},
    **{f"{years}y": 365 * years for years in range(1, 4)},
}
"""Columns and days after publication: the downloads that an episode had by then."""

PODLOVE = Layout(
    name="podcast downloads by age",
    needs={"title", "id", "post_date_gmt", "downloads", "1d"},
    title="{file}",
    rules=tuple(
        RowRule(
            platform=Platform.PODCAST,
            titled_only=True,
            age=timedelta(days=days),
            columns={
                "item_id": "id",
                "title": "title",
                "published_at": "post_date_gmt",
                "views": column,
            },
        )
        for column, days in _PODLOVE_AGES.items()
    ),
)

LAYOUTS: tuple[Layout, ...] = (
    DAILY_COUNTERS,
    VTUBER_DAILY,
    VIDEO_LIST,
    VIDEO_DAILY,
    TRENDING_2020,
    TRENDING_2017,
    TRENDING_PANEL,
    TRENDING_SEPTEMBER_2017,
    API_VIDEO_LIST,
    API_CHANNEL_LIST,
    GAMING_VIDEO_LIST,
    GAMING_CHANNEL_LIST,
    STUDIO_RESHAPED,
    SOCIAL_BLADE,
    TWITCH_LIST,
    PODLOVE,
)

_NAMES = {"channel_id", "channel_title"}


def layout_of(header: Collection[str]) -> Layout | None:
    """Return the first known layout that a file with these columns has, or None."""
    return next((layout for layout in LAYOUTS if layout.fits(header)), None)


def only_names(header: Collection[str]) -> bool:
    """Tell whether a file with these columns names channels and counts nothing of theirs."""
    columns = set(header)
    needs = [each.needs for layout in LAYOUTS for each in layout.companions if not each.layout]
    return any(columns.issuperset(each) for each in (_NAMES, *needs))
