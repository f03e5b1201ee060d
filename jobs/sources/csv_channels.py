"""The channels that the rows of a CSV name: by an id, mostly with a title, over and over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.records import ChannelRecord, Platform
from jobs.sources import youtube
from jobs.sources.sift import CHANNEL_ID
from jobs.sources.text import one_line

if TYPE_CHECKING:
    import polars as pl

TITLE = "channel_title"
PLATFORM = "platform"
OBSERVED_AT = "observed_at"


def channels_in(frame: pl.DataFrame) -> dict[str, ChannelRecord]:
    """
    Return the channels of *frame* by id, in the order in which they first appear.

    A channel is called what it was called last; one that has no title is called by its id.
    """
    order = frame.select(CHANNEL_ID, PLATFORM).unique(subset=CHANNEL_ID, maintain_order=True)
    titles = dict(frame.drop_nulls(TITLE).sort(OBSERVED_AT).select(CHANNEL_ID, TITLE).iter_rows())
    return {
        channel_id: _record(channel_id, platform, titles.get(channel_id, ""))
        for channel_id, platform in order.iter_rows()
    }


def _record(channel_id: str, platform: str | None, title: str) -> ChannelRecord:
    """A `UC…` id is YouTube's; any other needs the file to say whose it is."""
    on_youtube = youtube.is_channel_id(channel_id)
    told = Platform(platform) if platform else Platform.OTHER
    return ChannelRecord(
        id=channel_id,
        title=one_line(title) or channel_id,
        platform=Platform.YOUTUBE if on_youtube else told,
        url=youtube.channel_url(channel_id) if on_youtube else None,
    )
