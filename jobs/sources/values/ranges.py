"""Two days that stand together, as the range of an export: in a file's name, or in a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.sources.values import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

_DAY = (
    r"(?:\d{4}(?P<MARK1>[-._/])\d{1,2}(?P=MARK1)\d{1,2}"
    r"|(?:19|20)\d{6}"
    r"|\d{1,2}(?P<MARK2>[-._/])\d{1,2}(?P=MARK2)(?:\d{4}|\d{2})"
    r"|\d{1,2}\.?[ _-](?:de )?[^\W\d_]{3,12}\.?[ _-](?:de )?\d{4}"
    r"|[^\W\d_]{3,12}\.?[ _-]\d{1,2},?[ _-]\d{4}"
    r"|\d{4}年\d{1,2}月\d{1,2}日)"
)
_DASHES = "-_~\u2013\u2014\u301c\uff5e"
_BETWEEN = rf"[ _]*(?:[{_DASHES}]|(?<=[ _])(?:to|bis|until|through|al?|à|au|até)(?=[ _]))[ _]*"
_RANGE = re.compile(
    rf"(?<![^\W_])(?P<first>{_DAY.replace('MARK', 'of_first_')})"
    rf"{_BETWEEN}(?P<last>{_DAY.replace('MARK', 'of_last_')})(?![^\W_])",
    re.IGNORECASE,
)
_TOGETHER = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """Its days, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


def range_in(text: str) -> Range | None:
    """
    Return the only range of days in *text*, None if it has none or several.

    Where nothing tells day and month apart it has none, nor if it ends before it begins, or in
    the future.
    """
    return ranges_in([text])[0]


def ranges_in(cells: Sequence[str]) -> list[Range | None]:
    """Return for each of *cells* the range in it; all of them together tell day from month."""
    pairs = [_ends(cell) for cell in cells]
    column = dates.read_column([end for pair in pairs if pair for end in pair], mixed=True)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found: list[Range | None] = []
    for pair in pairs:
        first, last = map(column.read, pair) if pair else (None, None)
        known = first is not None and last is not None and first <= last <= tomorrow
        found.append(Range(first.date(), last.date()) if known and first and last else None)
    return found


def _ends(text: str) -> tuple[str, str] | None:
    """The first and last day of the only range in *text*, as they are written."""
    found = {each.group("first", "last") for each in _RANGE.finditer(text)}
    if len(found) != 1:
        return None
    first, last = (_TOGETHER.sub(r"\1-\2-\3", end.replace("_", "-")) for end in found.pop())
    return first, last


def range_in_names(names: Iterable[str]) -> Range | None:
    """Return the range in the first of *names* that has one."""
    return next(filter(None, map(range_in, names)), None)
