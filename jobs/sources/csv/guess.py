"""
A mapping file for a list of no known layout, filled in as far as names and cells allow.

It is a proposal that a person reads: each line says what it took a column for, and a comment names
the columns that were not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

from jobs.channel.records import Platform
from jobs.channel.text import one_line
from jobs.sources.csv.layout import COUNTERS, GAINS
from jobs.sources.csv.names import renamed
from jobs.sources.csv.table import read_rows
from jobs.sources.document import file_errors
from jobs.sources.header import LINE
from jobs.sources.source import SourceError
from jobs.sources.values import dates, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from jobs.sources.document import Text

_ROWS = 500
_MOSTLY = 0.8
_FALLING = 0.3
_FEWEST = 10
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_CHANNEL_ID = re.compile(r"U[CU][A-Za-z0-9_-]{22}")
_OF_CHANNELS = frozenset({"subscribers", "items", "gained_subscribers"})
"""What a list of items has of its items, if at all: no mapping has a field for it."""

_BETWEEN = re.compile(r"[ ._-]+")
_FIELDS = {
    "video_id": "item_id",
    "title": "title",
    "channel_id": "channel_id",
    "channel_title": "channel_title",
    "published_at": "published_at",
    "snapshot_utc": "observed_at",
    "duration_iso8601": "duration",
    "category_id": "category",
    "tags": "tags",
    "view_count": "views",
    "like_count": "likes",
    "comment_count": "comments",
}
_WORDS = {
    "observed_at": ("date", "day", "datum", "tag", "fecha", "data", "日付", "날짜", "jour"),
    "item_id": ("id", "guid", "post id", "video", "content", "asset id"),
    "title": ("name", "post title", "episode", "titel", "titre", "título", "description"),
    "published_at": ("post time", "publish time", "pub", "veröffentlicht", "date published"),
    "subscribers": ("subscribers", "followers", "subs", "abonnenten", "abonnés", "fans"),
    "views": ("views", "plays", "downloads", "aufrufe", "vues", "reach"),
    "items": ("videos", "episodes", "posts", "uploads"),
    "gained_views": ("daily views", "new views", "views gained", "views per day"),
    "gained_subscribers": ("new subscribers", "subscribers gained", "new followers"),
    "likes": ("reactions", "total likes", "hearts"),
    "comments": ("replies", "total comments"),
    "impressions": ("impressions",),
    "viewers": ("unique viewers", "viewers"),
    "new_viewers": ("new viewers",),
    "returning_viewers": ("returning viewers",),
}


@dataclass(slots=True)
class _Guess:
    """Which column holds what: by field, in the order found; and what to know of it."""

    columns: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    year: bool = False


def guess(text: Text) -> str:
    """
    Return a mapping file for *text*, as TOML.

    Raises:
        SourceError: It is no table, or none of its columns can be a counter or a date.
    """
    names = text.header.names
    if not names:
        raise SourceError(text.location, "has no columns that a mapping could name")
    cells = _cells(text)
    found = _by_names(names, cells)
    _by_cells(names, cells, found)
    _as_gains(cells, found)
    says_something = {*COUNTERS, *GAINS, "published_at"} & set(found.columns)
    if not says_something:
        columns = ", ".join(one_line(name) for name in names)
        raise SourceError(text.location, "has no column that could be mapped", f"It has {columns}")
    return _written(text, names, cells, found)


def _cells(text: Text) -> Mapping[str, list[str]]:
    frames: list[pl.DataFrame] = []
    with file_errors(text.location), text.open() as file:
        frames += [rows.frame for rows in islice(read_rows(file, text.header), 1)]
    if not frames or frames[0].is_empty():
        raise SourceError(text.location, "holds a header and no rows")
    rows = frames[0].head(_ROWS)
    return {name: rows[name].to_list() for name in rows.columns if name != LINE}


def _by_names(names: Sequence[str], cells: Mapping[str, list[str]]) -> _Guess:
    found = _Guess()
    known = {theirs: _FIELDS[ours] for theirs, ours in renamed(names).items() if ours in _FIELDS}
    known |= {name: _FIELDS[name] for name in names if name in _FIELDS}
    words = {word: meant for meant, all_of_them in _WORDS.items() for word in all_of_them}
    # A name that is known counts before one that may mean the same.
    by_word = {name: words.get(_BETWEEN.sub(" ", name)) for name in names}
    for meanings in (known, by_word):
        for name in names:
            meant = meanings.get(name)
            free = meant not in found.columns and name not in found.columns.values()
            if meant is not None and free and _fits(meant, cells[name]):
                found.columns[meant] = name
    if {"item_id", "title"} & set(found.columns):
        for meant in _OF_CHANNELS & set(found.columns):
            del found.columns[meant]
    return found


def _fits(meant: str, cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    if not filled:
        return False
    if meant in {"observed_at", "published_at"}:
        return _are_dates(filled)
    if meant in {"views", "likes", "comments", "subscribers", "items", *GAINS}:
        return _are_numbers(filled)
    return True


def _are_dates(cells: Sequence[str]) -> bool:
    column = dates.read_column(cells, year=2000)
    return len([cell for cell in cells if column.read(cell)]) >= _MOSTLY * len(cells) or (
        column.ambiguous
    )


def _are_numbers(cells: Sequence[str]) -> bool:
    read = numbers.reader(cells)
    return len([cell for cell in cells if read(cell) is not None]) >= _MOSTLY * len(cells)


def _by_cells(names: Sequence[str], cells: Mapping[str, list[str]], found: _Guess) -> None:
    """Take what cells alone show: ids of YouTube's, and the first column of dates."""
    for name in names:
        if name in found.columns.values():
            continue
        filled = [cell for cell in cells[name] if cell]
        for meant, pattern in (("item_id", _VIDEO_ID), ("channel_id", _CHANNEL_ID)):
            if filled and meant not in found.columns and all(map(pattern.fullmatch, filled)):
                found.columns[meant] = name
        dated = {"observed_at", "published_at"} & set(found.columns)
        if filled and not dated and not _are_numbers(filled) and _are_dates(filled):
            of_items = {"item_id", "title"} & set(found.columns)
            found.columns["published_at" if of_items else "observed_at"] = name
    for meant in ("observed_at", "published_at"):
        column = dates.read_column(cells[found.columns[meant]]) if meant in found.columns else None
        if column and column.ambiguous:
            found.notes[meant] = "day or month first? give [dates] a form such as %d/%m/%Y"
        found.year |= column is not None and column.yearless


def _as_gains(cells: Mapping[str, list[str]], found: _Guess) -> None:
    """A column of days that falls as often as not is what came in on them."""
    if "observed_at" not in found.columns or {"item_id", "title"} & set(found.columns):
        return
    for counter, gain in (("views", "gained_views"), ("subscribers", "gained_subscribers")):
        name = found.columns.get(counter)
        if name is None or gain in found.columns:
            continue
        read = numbers.reader(cells[name])
        values = [value for cell in cells[name] if (value := read(cell)) is not None]
        falls = sum(after < before for before, after in pairwise(values))
        if len(values) > _FEWEST and falls > _FALLING * len(values):
            found.columns = {gain if key == counter else key: v for key, v in found.columns.items()}
            found.notes[gain] = "it falls again and again: what came in on each day"


def _written(
    text: Text, names: Sequence[str], cells: Mapping[str, list[str]], found: _Guess
) -> str:
    ids = [cell for cell in cells.get(found.columns.get("item_id", ""), []) if cell]
    on_youtube = bool(ids) and all(map(_VIDEO_ID.fullmatch, ids))
    on_youtube |= any("youtube" in name for name in names)
    title = PurePath(text.name.removesuffix(".gz")).stem
    lines = [
        f"name = {_quoted(title)}",
        f'platform = "{"youtube" if on_youtube else "other"}"  # or {", ".join(Platform)}',
        *([f"header_row = {text.header.line}"] if text.header.line > 1 else []),
        "",
        "[columns]",
    ]
    for meant, name in found.columns.items():
        note = f"  # {found.notes[meant]}" if meant in found.notes else ""
        lines.append(f"{meant} = {_quoted(name)}{note}")
    unread = [name for name in names if name not in found.columns.values()]
    if unread:
        lines.append(f"# not mapped: {', '.join(one_line(name) for name in unread)}")
    if found.year:
        lines += ["", "[dates]", "year = 2000  # of the first row: its dates have none"]
    if not {"channel_id", "channel_title"} & set(found.columns):
        lines += ["", "[channel]", f"title = {_quoted(title)}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as TOML writes it, which is as JSON does, less what no line of TOML may hold."""
    plain = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
