"""
Whose a source is that does not name its channel: told by its place, or by who asked.

A name that Studio gave to an export is the channel's, as is one that TikTok Studio gave to an
archive, and an id in it is YouTube's. Any other
folder or file is a channel by its whole path: two clients' `data/Totals.csv` are two channels. The
number that a browser adds to a second download makes no other channel.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jobs.channel.text import one_line
from jobs.sources.values import times, youtube_ids

_ID_DIGITS = 12
_BY_PATH, _BY_TITLE = "path:", "title:"
_STUDIO = re.compile(
    r"[^\W\d_][^\d]*? (?P<first>\d{4}-\d{2}-\d{2})_(?P<last>\d{4}-\d{2}-\d{2})(?: (?P<title>.+))?"
)
_TIKTOK = re.compile(
    r"(?:overview|content|followers|viewers)_(?P<first>\d{4}-\d{2}-\d{2})_\d{10,}_(?P<title>.+)",
    re.IGNORECASE,
)
"""What TikTok Studio calls an archive: its kind, the first day of its range, who downloaded it."""

_BROWSERS_COPY = re.compile(r" ?\(\d{1,2}\)$")
_ARCHIVES = (".zip", ".xlsx")
_ENDINGS = (*_ARCHIVES, ".gz", ".csv", ".tsv", ".txt")
_SAY_NOTHING = frozenset(
    {
        *("data", "csv", "export", "exports", "download", "downloads", "studio", "youtube"),
        *("analytics", "content", "totals", "table data", "chart data", "files", "input", "tmp"),
        *("overview", "stats", "statistics", "report", "reports", "daten", "raw"),
    }
)
"""Names of folders and files that say nothing of a channel: the folder above is shown, too."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The id and title of a channel, and the days that its name says an export is of."""

    id: str
    title: str
    first: date | None = None
    last: date | None = None


def of_place(path: str, platform: str) -> Identity:
    """Return whose the folder or file at the absolute *path* is."""
    place = Path(path)
    name = _BROWSERS_COPY.sub("", _bare(place.name))
    named = _STUDIO.fullmatch(name)
    first, last = _days(named) if named else (None, None)
    title = one_line((named["title"] or "") if named else name)
    if archive := _TIKTOK.fullmatch(name):
        title = one_line(archive["title"])
        return Identity(id_of_title(platform, title), title, times.date_in_name(name))
    own = youtube_ids.channel_id_in_name(place.name)
    if own:
        return Identity(own, title or own, first, last)
    if named and title:
        return Identity(id_of_title(platform, title), title, first, last)
    shown = title or one_line(name) or "Studio export"
    if shown.lower() in _SAY_NOTHING and place.parent.name:
        shown = one_line(f"{place.parent.name}/{shown}")
    return Identity(
        _BY_PATH + digits_of(platform, str(place.with_name(name or "-"))), shown, first, last
    )


def id_of_title(platform: str, title: str) -> str:
    """
    Return the id of a channel of which only the title is known: `title:` and twelve digits.

    The same title on the same platform is the same channel, whatever its spacing.
    """
    return _BY_TITLE + digits_of(platform, title)


def is_archive(name: str) -> bool:
    """Whether a file of this *name* holds others."""
    return name.lower().endswith(_ARCHIVES)


def is_ours(channel_id: str) -> bool:
    """Whether *channel_id* was made of a place or a title, and not given by a platform."""
    return channel_id.startswith((_BY_PATH, _BY_TITLE))


def is_of_place(channel_id: str) -> bool:
    """Whether *channel_id* was made of a place."""
    return channel_id.startswith(_BY_PATH)


def _bare(name: str) -> str:
    """The name of a file or folder without what says how it is packed."""
    for ending in _ENDINGS:
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name.strip()


def _days(named: re.Match[str]) -> tuple[date | None, date | None]:
    try:
        first, last = (date.fromisoformat(named[name]) for name in ("first", "last"))
    except ValueError:
        return None, None
    return (first, last) if first <= last else (None, None)


def digits_of(*parts: str) -> str:
    """Return twelve digits that are of *parts* alone, whatever their spacing."""
    plain = "\n".join(one_line(part) for part in parts)
    return hashlib.sha256(plain.encode()).hexdigest()[:_ID_DIGITS]
