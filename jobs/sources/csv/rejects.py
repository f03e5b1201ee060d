"""Rejected rows of a CSV, of which there may be millions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, overload

from jobs.channel.records import Reject
from jobs.channel.text import one_line
from jobs.sources.csv.facts import CHANNEL_ID, PROBLEM
from jobs.sources.header import LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl


class Rejects(Sequence[Reject]):
    """Rejected rows, made into records one by one as they are asked for."""

    def __init__(self, location: str, parts: Sequence[pl.DataFrame]) -> None:
        self._location = location
        self._parts = parts

    def __len__(self) -> int:
        return sum(part.height for part in self._parts)

    def __iter__(self) -> Iterator[Reject]:
        rows = (part.select(LINE, PROBLEM, CHANNEL_ID).iter_rows() for part in self._parts)
        for line, problem, channel_id in chain.from_iterable(rows):
            yield Reject(self._location, line, one_line(problem), channel_id)

    @overload
    def __getitem__(self, index: int) -> Reject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Reject]: ...
    def __getitem__(self, index: int | slice) -> Reject | list[Reject]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        for part in self._parts:
            if at < part.height:
                line, problem, channel_id = part.select(LINE, PROBLEM, CHANNEL_ID).row(at)
                return Reject(self._location, line, one_line(problem), channel_id)
            at -= part.height
        raise IndexError(index)
