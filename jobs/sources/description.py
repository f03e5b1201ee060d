"""The parts of the line in which a source describes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.channel.text import one_line
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from jobs.channel.records import Reject
    from jobs.sources.values.ranges import Range

_COLUMNS_SHOWN = 12


def period(first: datetime | None, last: datetime | None) -> str:
    """Return the days from *first* to *last*: `2026-01-17 to 2026-02-10`."""
    if first is None or last is None:
        return ""
    if first.date() == last.date():
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def oddities(
    *, rejected: int = 0, repeated: int = 0, guessed_lines: int = 0, noun: str = "row"
) -> str:
    """Return what people should know of a document's damage; nothing if there is none."""
    return joined(
        f"{counted(rejected, noun)} rejected" if rejected else "",
        f"{counted(repeated, noun)} repeated" if repeated else "",
        f"{counted(guessed_lines, 'line')} not in UTF-8" if guessed_lines else "",
    )


def not_read(columns: int, unread: Sequence[str]) -> str:
    """Return which of a table's *columns* are not read; nothing if all are."""
    if not unread:
        return ""
    more = len(unread) - _COLUMNS_SHOWN
    names = ", ".join(one_line(name) for name in unread[:_COLUMNS_SHOWN])
    rest = f" and {more:,} more" if more > 0 else ""
    return f"{len(unread):,} of {columns:,} columns not read: {names}{rest}"


def older_items(number: int, first: date, sign: str = "") -> str:
    """Return that so many items are older than *first*, from which on they were counted."""
    of = f"{counted(number, 'older item')} counted only from about {first} on{sign}"
    return f"{of}: what they had before is missing, so these are not their totals"


def odd_range(named: Range, first: date, last: date) -> str:
    """Return what is odd about days *first* to *last* of a table that is *named* by a range."""
    if named.first <= first and last <= named.last:
        return ""
    days = f"its days, {first} to {last}"
    return f"{days}, are not those in its name, {named.first} to {named.last}"


def joined(*parts: str) -> str:
    """Return *parts* as one line, without the empty ones."""
    return ", ".join(part for part in parts if part)


def why_none(rejects: Sequence[Reject]) -> str:
    """Return the first reason why no row could be used."""
    if not rejects:
        return ""
    first = rejects[0]
    return f"The first: {'' if first.line is None else f'line {first.line}: '}{first.reason}"
