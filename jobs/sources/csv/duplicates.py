"""Of several facts of one thing at one time the last one counts; what becomes of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from jobs.sources.csv.facts import CHANNEL_ID, PROBLEM
from jobs.sources.header import LINE

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTRADICTS = "contradicts"
"""So begins the problem of a row that has other values than the one that counts."""


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """
    The facts that count, and what became of the others.

    rejects: line, channel and problem of those that contradict one that counts.
    """

    kept: pl.DataFrame
    rejects: pl.DataFrame
    repeated_rows: int


def drop_duplicates(
    frame: pl.DataFrame, key: Sequence[str], *, supersede: bool = False
) -> Deduplicated:
    """
    Keep the last fact of each *key*; *frame* holds all facts of a channel, in order.

    Earlier facts with the same values are repeated. Those with others are rejects, unless later
    ones *supersede* them by design: then they are repeated too.
    """
    kept = frame.unique(subset=key, keep="last", maintain_order=True)
    if kept.height == frame.height:
        return Deduplicated(kept, _rejects(frame.clear()), 0)
    earlier = frame.join(kept.select(LINE, CHANNEL_ID), on=(LINE, CHANNEL_ID), how="anti")
    contradicting = earlier.clear() if supersede else _contradicting(earlier, kept, key)
    rejects = _rejects(contradicting)
    return Deduplicated(kept, rejects, earlier[LINE].n_unique() - rejects[LINE].n_unique())


def _rejects(contradicting: pl.DataFrame) -> pl.DataFrame:
    if PROBLEM not in contradicting.columns:
        contradicting = contradicting.with_columns(pl.lit(None, dtype=pl.String).alias(PROBLEM))
    return contradicting.select(LINE, CHANNEL_ID, PROBLEM)


def _contradicting(earlier: pl.DataFrame, kept: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Null equals null here: two empty cells do not contradict each other."""
    beside = earlier.join(kept, on=key, how="left", suffix=" kept", nulls_equal=True)
    compared = [name for name in earlier.columns if name not in {LINE, *key}]
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name} kept")) for name in compared)
    problem = pl.format(f"{CONTRADICTS} line {{}}, which counts", pl.col(f"{LINE} kept"))
    return beside.filter(~same).with_columns(problem.alias(PROBLEM))
