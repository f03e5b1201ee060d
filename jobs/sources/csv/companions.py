"""Files beside a list that say more of what it names: found by their columns, never by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from jobs.sources.csv.table import read_rows
from jobs.sources.document import TextFile, file_errors, text_file
from jobs.sources.header import LINE
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.sources.csv.layout import Companion, Layout
    from jobs.sources.document import Text


@dataclass(frozen=True, slots=True)
class Beside:
    """A companion, and the file that was found to be it."""

    companion: Companion
    file: TextFile


def find(text: Text, layout: Layout) -> list[Beside]:
    """
    Look in the folder of the file *text* for the companions of *layout*.

    Of several files that fit, the one that names most is taken. A fetched text has no folder.
    """
    if not layout.companions or not isinstance(text, TextFile):
        return []
    found = []
    files = list(_neighbours(text))
    for companion in layout.companions:
        fitting = [
            Beside(companion, file)
            for file in files
            if set(file.header.names).issuperset(companion.needs)
        ]
        if len(fitting) > 1:
            fitting.sort(key=lambda each: lookup(each).height)
        found += fitting[-1:]
    return found


def _neighbours(text: TextFile) -> Iterator[TextFile]:
    """Every other readable file in the folder, by name."""
    own = Path(text.location)
    for path in sorted(own.parent.iterdir()):
        if path == own or path.name.startswith("."):
            continue
        try:
            yield text_file(str(path))
        except SourceError:
            continue


def join(frame: pl.DataFrame, beside: Sequence[tuple[Companion, pl.DataFrame]]) -> pl.DataFrame:
    """Add to *frame* what its companions give; a cell is empty where they have nothing."""
    for companion, lookup in beside:
        ours, _ = companion.key
        if ours in frame.columns:
            frame = frame.join(lookup, on=ours, how="left", maintain_order="left")
            frame = frame.with_columns(pl.col(companion.gives.values()).fill_null(""))
    return frame


def lookup(each: Beside) -> pl.DataFrame:
    """
    Read what a companion gives, a row for each thing that it names; the last one counts.

    Raises:
        SourceError: It is damaged.
    """
    ours, theirs = each.companion.key
    gives = each.companion.gives
    with file_errors(each.file.location), each.file.open() as file:
        parts = [rows.frame for rows in read_rows(file, each.file.header, {theirs, *gives})]
    frame = pl.concat(parts).sort(LINE).unique(subset=theirs, keep="last")
    return frame.filter(pl.col(theirs) != "").select(
        pl.col(theirs).alias(ours),
        *(pl.col(column).alias(name) for column, name in gives.items()),
    )
