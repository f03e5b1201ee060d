"""The row of a list that is the sum of all others, in any language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from jobs.sources.text import plain


def is_total(cell: str) -> bool:
    """Whether the row that begins with *cell* is the sum of all others."""
    return plain(cell) in _totals()


@cache
def _totals() -> frozenset[str]:
    path = Path(__file__).parent.parent / "words" / "rows.toml"
    return frozenset(tomllib.loads(path.read_text("utf-8"))["total"])
