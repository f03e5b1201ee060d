"""The columns of a Studio export by their English names, whatever language they are in."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class _Words:
    columns: Mapping[str, str]
    beginnings: Mapping[str, str]


def english(names: Sequence[str]) -> list[str]:
    """
    Return *names* of columns as Studio writes them in English; what is not known stays as it is.

    No name is there twice: the second column of one meaning keeps its own.
    """
    found: list[str] = []
    for name in names:
        meaning = _english(name)
        found.append(name if meaning in found else meaning)
    return found


def _english(name: str) -> str:
    words = _words()
    known = words.columns.get(name)
    if known is not None:
        return known
    beginning = next((each for each in words.beginnings if name.startswith(each)), None)
    return name if beginning is None else words.beginnings[beginning]


@cache
def _words() -> _Words:
    path = Path(__file__).parent.parent / "words" / "studio.toml"
    document = tomllib.loads(path.read_text("utf-8"))

    def by_name(table: str) -> dict[str, str]:
        return {name: ours for ours, names in document[table].items() for name in names}

    return _Words(by_name("columns"), by_name("beginnings"))
