"""Rows that count, and why the others do not: unreadable, repeated, contradicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobs.records import Reject
from jobs.sources.location import shown
from jobs.sources.table import LINE
from jobs.sources.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBLEM = "problem"
"""The column that says why a row does not count; null where it does."""

CHANNEL_ID = "channel_id"


@dataclass(frozen=True, slots=True)
class Sifted:
    """The rows that count, in the order of the document, and what became of the others."""

    kept: pl.DataFrame
    rejects: Sequence[Reject]
    repeated_rows: int


def sift(frame: pl.DataFrame, key: Sequence[str], location: str) -> Sifted:
    """
    Keep of the rows without a problem the last one of each *key*.

    Earlier rows that say the same in every column are counted as repeated; those that say
    otherwise are rejects, like the rows with a problem.
    """
    sound = frame.filter(pl.col(PROBLEM).is_null()).drop(PROBLEM)
    kept = sound.unique(subset=key, keep="last", maintain_order=True)
    earlier = sound.join(kept.select(LINE), on=LINE, how="anti")
    contradicting = _contradicting(earlier, kept, key)
    columns = (LINE, PROBLEM, CHANNEL_ID)
    rejected = pl.concat(
        [
            frame.filter(pl.col(PROBLEM).is_not_null()).select(columns),
            contradicting.select(columns),
        ]
    ).sort(LINE)
    return Sifted(
        kept=kept,
        rejects=[
            Reject(shown(location), row[0], one_line(row[1]), row[2]) for row in rejected.rows()
        ],
        repeated_rows=earlier.height - contradicting.height,
    )


def _contradicting(earlier: pl.DataFrame, kept: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Null equals null here: two empty cells say the same."""
    beside = earlier.join(kept, on=key, how="left", suffix=" kept")
    compared = [name for name in earlier.columns if name not in {LINE, *key}]
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name} kept")) for name in compared)
    problem = pl.format("contradicts line {}, which counts", pl.col(f"{LINE} kept"))
    return beside.filter(~same).with_columns(problem.alias(PROBLEM))
