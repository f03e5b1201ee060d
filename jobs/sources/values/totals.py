"""The row of a list that is the sum of all others, or their mean, in any language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from jobs.sources.text import plain


def is_total(cell: str) -> bool:
    """Whether the row that begins with *cell* is the sum of all others, or their mean."""
    return plain(cell).strip(_MARKS) in _totals()


_MARKS = " :.*=-–—∑"


@cache
def _totals() -> frozenset[str]:
    path = Path(__file__).parent.parent / "words" / "rows.toml"
    words = tomllib.loads(path.read_text("utf-8"))
    return frozenset({*words["total"], *words["mean"]})
