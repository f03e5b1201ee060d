"""
What a text is, by its content alone: names and endings do not count.

The first of these that fits decides:

1. With a mapping it is a CSV, and must have the columns of the mapping.
2. A file with the columns of a table of a Studio export (`studio/role.py`) is one.
3. Markup is a feed, unless it is a list of feeds (`opml`), which is no source; the reader of
   feeds then says if it is a web page instead.
4. A table with the columns of a known layout (`csv/layouts/`) is a CSV, by their names there or
   by others (`csv/names.py`).
5. What has the root of a feed a little further on is a feed.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.channel.text import one_line
from jobs.sources.csv import csv_source, meta_days
from jobs.sources.csv.known_layouts import layout_of
from jobs.sources.csv.names import TABLES, renamed
from jobs.sources.csv.row_step import row_step
from jobs.sources.document import HeaderReading, TextFile
from jobs.sources.feed import feed
from jobs.sources.feed.markup import has_feed_within, is_markup
from jobs.sources.header import MOST_COLUMNS, is_data, is_table
from jobs.sources.opml import feeds_in, is_opml
from jobs.sources.source import UnrecognisedError
from jobs.sources.studio import export
from jobs.sources.studio.role import role_of
from jobs.sources.text import decode
from jobs.sources.values.steps import Step
from runner.wording import counted

if TYPE_CHECKING:
    from jobs.sources.csv.layout import Layout
    from jobs.sources.csv.mapping import Mapping
    from jobs.sources.document import Text
    from jobs.sources.studio.role import Role

_REMEDY = "Describe it by a mapping file; this proposes one: pipeline mapping {}"
_BY_DAY = (
    "Export it by day; if it holds counters, describe it by a mapping file: pipeline mapping {}"
)
_SHOWN_BYTES = 1024
_SHOWN_CHARACTERS = 80
_SHOWN_COLUMNS = 24
_SHOWN_FEEDS = 5


@dataclass(frozen=True, slots=True)
class Recognised:
    """
    A text, and what it was recognised as: all that is needed to open it.

    kind: of the source that it makes (`SourceRef.kind`). layout: of a CSV its layout, of a table
    of a Studio export its role, None for a feed. text: with its head and header, read once.
    """

    kind: str
    layout: Layout | Role | None
    text: Text


def recognise(text: Text, mapping: Mapping | None = None) -> Recognised:
    """
    Recognise *text*, or take it for the CSV that *mapping* describes.

    Raises:
        SourceError: It is not what *mapping* describes.
        UnrecognisedError: It is text, but no source is made of it.
    """
    if mapping is not None:
        text = mapping.seen(text)
        mapping.check(text)
        return Recognised(csv_source.mapped_kind(mapping.location), mapping.layout, text)
    role = role_of(text.header.names) if isinstance(text, TextFile) else None
    if role is not None:
        return Recognised(export.KIND, role, text)
    if is_markup(text.head) and is_opml(text.head):
        raise _list_of_feeds(text)
    if is_markup(text.head):
        return Recognised(feed.KIND, None, text)
    layout, text = _layout_of(text)
    if layout is not None:
        return Recognised(csv_source.KIND, layout, text)
    if has_feed_within(text.head):
        return Recognised(feed.KIND, None, text)
    raise _unrecognised(text)


def _layout_of(text: Text) -> tuple[Layout | None, Text]:
    """The known layout of *text*, and the text by the layout's names, if those say more."""
    layout = layout_of(text.header.names) or meta_days.layout_of(text)
    if layout is not None and layout.successes_only:
        return layout, text
    best: tuple[Layout | None, Text] = layout, text
    for table in TABLES:
        names = renamed(text.header.names, table)
        other = layout_of([names.get(each, each) for each in text.header.names]) if names else None
        if other is None:
            continue
        # What it does not read keeps the name that its owner knows.
        read = {theirs: ours for theirs, ours in names.items() if ours in other.columns()}
        header = replace(text.header, names=[read.get(each, each) for each in text.header.names])
        seen = text.read_as(HeaderReading(known=header))
        if _columns_read(other, seen) > _columns_read(*best):
            best = other, seen
    return best


def _columns_read(layout: Layout | None, text: Text) -> int:
    return 0 if layout is None else len(layout.columns() & set(text.header.names))


def _list_of_feeds(text: Text) -> UnrecognisedError:
    feeds = feeds_in(text)
    named = ", ".join(f"{each.title} ({each.address})" for each in feeds[:_SHOWN_FEEDS])
    more = f" and {len(feeds) - _SHOWN_FEEDS:,} more" if len(feeds) > _SHOWN_FEEDS else ""
    reason = f"is a list of {counted(len(feeds), 'feed')} (OPML): {named}{more}"
    remedy = f"Add them: pipeline channels add {shlex.quote(text.location)}"
    return UnrecognisedError(text.location, reason, remedy)


def _unrecognised(text: Text) -> UnrecognisedError:
    head, names = text.head, text.header.names
    if head.lstrip().startswith((b"{", b"[")):
        return UnrecognisedError(text.location, "is JSON, neither a feed nor a CSV")
    if is_table(head) and not names:
        reason = f"is a table of more than {MOST_COLUMNS:,} columns"
        return UnrecognisedError(text.location, reason, "Keep those that matter")
    if is_table(head) and is_data(names):
        reason = "cannot be read: its first line is data, not names of columns"
        return UnrecognisedError(text.location, reason, "Put a line above it that names them")
    if is_table(head):
        columns = ", ".join(one_line(name) for name in names[:_SHOWN_COLUMNS])
        more = f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else ""
        kind, remedy = "is a CSV of no known layout", _REMEDY
        step = row_step(text)
        if step is not None and step is not Step.DAY:
            rows = step.rows()
            kind = f"is {step}, and of no known layout: its rows are {rows}, not days"
            remedy = _BY_DAY
        reason = f"{kind}, with the columns {columns}{more}"
        return UnrecognisedError(text.location, reason, remedy.format(shlex.quote(text.location)))
    start = one_line(decode(head[:_SHOWN_BYTES]).text.strip().partition("\n")[0])
    reason = f"is neither a feed nor a CSV, it begins '{start[:_SHOWN_CHARACTERS]}'"
    return UnrecognisedError(text.location, reason)
