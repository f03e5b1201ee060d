"""
Tables of days as Meta Business Suite exports them: a day, and a number called `Primary`.

What the number counts stands above the table, in the language of whoever exported it. A file may
hold several such tables, one below the other.
"""

from __future__ import annotations

import csv
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jobs.channel.text import one_line
from jobs.sources.csv.layout import Layout, RowRule
from jobs.sources.source import UnrecognisedError
from jobs.sources.text import decode, lines_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.sources.csv.layout import Field
    from jobs.sources.document import Text

_NUMBER = "primary"
_COLUMNS = 2


def layout_of(text: Text) -> Layout | None:
    """
    Return the layout of a table of days; None if it is none.

    Raises:
        UnrecognisedError: It counts what is not read, or holds several tables.
    """
    names = text.header.names
    if len(names) != _COLUMNS or names[1] != _NUMBER:
        return None
    titles = _titles(text, names)
    shown = " and ".join(f"'{one_line(title)}'" for title in titles) or "nothing that it names"
    if len(titles) > 1:
        reason = f"holds {len(titles)} of Meta's tables, {shown}"
        raise UnrecognisedError(text.location, reason, "Put each into a file of its own")
    field = _metrics().get(plain(titles[0])) if titles else None
    if field is None:
        reason = f"has what Meta counts a day of {shown}, which is not read"
        raise UnrecognisedError(text.location, reason, "Views, viewers and follows are")
    columns: dict[Field, str] = {"observed_at": names[0], cast("Field", field): _NUMBER}
    return Layout(
        name=f"Meta's days of {shown}",
        needs=tuple(names),
        rules=(RowRule(columns=columns),),
        title="{folder}",
    )


def _titles(text: Text, names: Sequence[str]) -> list[str]:
    """The titles above each table: the cells that stand alone."""
    lines = [line for line in lines_of(decode(text.head).text) if line.strip()]
    rows = list(csv.reader(lines, delimiter=text.header.delimiter))
    found, above = [], ""
    for row in rows:
        cells = [plain(cell) for cell in row]
        if cells == list(names):
            found.append(above)
        above = row[0] if len(row) == 1 else above
    return [title for title in found if title]


@cache
def _metrics() -> Mapping[str, str]:
    path = Path(__file__).parent.parent / "words" / "meta.toml"
    metrics = tomllib.loads(path.read_text("utf-8"))["metrics"]
    return {title: field for field, titles in metrics.items() for title in titles}
