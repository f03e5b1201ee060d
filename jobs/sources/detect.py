"""Which kind of source a document is, by its content alone: names and endings are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.sources import daily_csv, feed, video_csv
from jobs.sources.markup import has_feed_within, is_markup
from jobs.sources.source import UnrecognisedError
from jobs.sources.table import header_of
from jobs.sources.text import decode, one_line

if TYPE_CHECKING:
    from jobs.sources.document import Document

_REMEDY = (
    "Daily counters need the columns date_utc, channel_id and one of subscribers, views, videos; "
    "a video list snapshot_utc, channel_id, video_id and view_count"
)
_SHOWN_BYTES = 1024
_SHOWN_CHARACTERS = 80


def kind_of(document: Document) -> str:
    """
    Return the kind of source that *document* looks like; reading it may still show damage.

    Markup counts as a feed here, so that a web page in its place is an error that says so.

    Raises:
        UnrecognisedError: It is text, but none that a source is made of.
    """
    if is_markup(document.content):
        return feed.KIND
    header = header_of(document.content)
    if daily_csv.recognises(header):
        return daily_csv.KIND
    if video_csv.recognises(header):
        return video_csv.KIND
    if has_feed_within(document.content):
        return feed.KIND
    start = one_line(decode(document.content[:_SHOWN_BYTES]).text.strip().partition("\n")[0])
    reason = (
        f"is neither a feed nor a CSV with known columns, it begins '{start[:_SHOWN_CHARACTERS]}'"
    )
    raise UnrecognisedError(document.location, reason, _REMEDY)
