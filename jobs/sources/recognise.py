"""Which kind of source a text is, by its content alone: names and endings are not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.sources.csv.known_layouts import layout_of
from jobs.sources.csv.table import header_of, is_table
from jobs.sources.feed.markup import has_feed_within, is_markup
from jobs.sources.source import UnrecognisedError
from jobs.sources.text import decode, one_line

if TYPE_CHECKING:
    from jobs.sources.csv.layout import Layout
    from jobs.sources.document import Text

_NAMES = frozenset({"channel_id", "channel_title"})
_REMEDY = "Describe it by a mapping file: --mapping MAP.toml"
_SHOWN_BYTES = 1024
_SHOWN_CHARACTERS = 80
_SHOWN_COLUMNS = 24


def layout_in(text: Text) -> Layout | None:
    """
    Return the layout of the CSV that *text* is, or None for a feed; reading may still show damage.

    Markup counts as a feed here, so that a web page in its place is an error that says so.

    Raises:
        UnrecognisedError: It is text, but none that a source is made of.
    """
    head = text.head()
    if is_markup(head):
        return None
    header = header_of(head)
    layout = layout_of(header)
    if layout is not None:
        return layout
    if has_feed_within(head):
        return None
    if head.lstrip().startswith((b"{", b"[")):
        raise UnrecognisedError(text.location, "is JSON, neither a feed nor a CSV")
    if _NAMES.issubset(header):
        reason = "names channels and counts nothing of theirs; lists in its folder are read with it"
        raise UnrecognisedError(text.location, reason)
    if is_table(head):
        columns = ", ".join(one_line(name) for name in header[:_SHOWN_COLUMNS])
        more = f" and {len(header) - _SHOWN_COLUMNS} more" if len(header) > _SHOWN_COLUMNS else ""
        reason = f"is a CSV of no known layout, with the columns {columns}{more}"
        raise UnrecognisedError(text.location, reason, _REMEDY)
    start = one_line(decode(head[:_SHOWN_BYTES]).text.strip().partition("\n")[0])
    reason = f"is neither a feed nor a CSV, it begins '{start[:_SHOWN_CHARACTERS]}'"
    raise UnrecognisedError(text.location, reason)
