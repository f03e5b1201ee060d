"""Files beside a list that tell more of what it names: found by their columns, never by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from jobs.sources.csv.table import LINE, header_of, read_rows
from jobs.sources.document import TextFile, text_file, trouble_told
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.sources.csv.layout import Companion, Layout
    from jobs.sources.document import Text


@dataclass(frozen=True, slots=True)
class Beside:
    """A companion that was found, and the file that it is."""

    companion: Companion
    file: TextFile


def find(text: Text, layout: Layout) -> list[Beside]:
    """
    Look in the folder of the file *text* for what *layout* wants beside it.

    Of several files that fit, the one that names most is taken. What was fetched has no folder.
    """
    if not layout.companions or not isinstance(text, TextFile):
        return []
    found = []
    files = list(_neighbours(text))
    for companion in layout.companions:
        fitting = [
            Beside(companion, file) for file, header in files if header.issuperset(companion.needs)
        ]
        if len(fitting) > 1:
            fitting.sort(key=lambda each: lookup(each).height)
        found += fitting[-1:]
    return found


def _neighbours(text: TextFile) -> Iterator[tuple[TextFile, set[str]]]:
    """Every other file of the folder, with its columns, by name; what cannot be read is none."""
    own = Path(text.location)
    for path in sorted(own.parent.iterdir()):
        if path == own or path.name.startswith("."):
            continue
        try:
            file = text_file(str(path))
        except SourceError:
            continue
        yield file, set(header_of(file.head()))


def join(frame: pl.DataFrame, beside: Sequence[tuple[Companion, pl.DataFrame]]) -> pl.DataFrame:
    """Add to *frame* what its companions tell; a cell that they do not tell is empty."""
    for companion, lookup in beside:
        theirs, _ = companion.key
        if theirs in frame.columns:
            frame = frame.join(lookup, on=theirs, how="left", maintain_order="left")
            frame = frame.with_columns(pl.col(companion.gives.values()).fill_null(""))
    return frame


def lookup(each: Beside) -> pl.DataFrame:
    """
    Read what a companion gives, a row for each thing that it names; the last one counts.

    Raises:
        SourceError: It is damaged.
    """
    theirs, ours = each.companion.key
    gives = each.companion.gives
    with trouble_told(each.file.location), each.file.open() as file:
        parts = [rows.frame for rows in read_rows(file, {ours, *gives})]
    frame = pl.concat(parts).sort(LINE).unique(subset=ours, keep="last")
    return frame.filter(pl.col(ours) != "").select(
        pl.col(ours).alias(theirs),
        *(pl.col(column).alias(name) for column, name in gives.items()),
    )
