"""
Other names of the columns of known layouts, a table for each family of them in `words/`.

    lists    lists of videos, as programs that ask the Data API call their columns
    meta     exports of Meta Business Suite, in other languages
    tiktok   those of TikTok Studio
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TABLES = ("lists", "meta", "tiktok")
_PARTS = ("snippet", "statistics", "contentdetails")


def renamed(names: Sequence[str], table: str = "lists") -> Mapping[str, str]:
    """Return, by the names of a file's columns, those of the layouts that mean the same."""
    known = _known(table)
    found: dict[str, str] = {}
    for name in names:
        ours = known.get(_folded(_bare(name)))
        if ours is not None and ours not in names and ours not in found.values():
            found[name] = ours
    return found


def _bare(name: str) -> str:
    """The name without the part of the answer that it stood in."""
    part, mark, rest = name.partition("." if "." in name else "_")
    return rest if mark and part in _PARTS else name


def _folded(name: str) -> str:
    """The name without the marks that one program sets between its words, and another does not."""
    return name.translate(_NO_MARKS)


_NO_MARKS = str.maketrans("", "", " ._-")


@cache
def _known(table: str) -> Mapping[str, str]:
    path = Path(__file__).parent.parent / "words" / f"{table}.toml"
    columns = tomllib.loads(path.read_text("utf-8"))["columns"]
    return {_folded(name): ours for ours, names in columns.items() for name in (ours, *names)}
