"""Plays many schedules, on all cores."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from tests.simulation.play import Verdict, play
from tests.simulation.schedule import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 10


def play_all(
    first: int, count: int, processes: int, *, large: bool | None
) -> Iterator[tuple[int, Verdict]]:
    """Yield *count* seeds from *first* on with their verdicts, in order."""
    seeds = [(seed, large) for seed in range(first, first + count)]
    if processes <= 1:
        yield from map(_play_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_play_seed, seeds, chunksize=_CHUNK)


def _play_seed(asked: tuple[int, bool | None]) -> tuple[int, Verdict]:
    seed, large = asked
    return seed, play(draw(seed, large=large))
