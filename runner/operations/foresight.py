"""What would follow from an action on many jobs: what a confirmation says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.operations.jobs import list_jobs
from runner.operations.moves import known_jobs
from runner.operations.processes import slots_of, workers_of
from runner.operations.queues import queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

    from runner.operations.bulk import Selection
    from runner.operations.catalog import Catalog
    from runner.operations.jobs import Row

TYPED_ABOVE: Final = 1_000
"""From so many jobs on, their number is typed before anything is done."""

_READ: Final = 200


@dataclass(frozen=True, slots=True)
class Foresight:
    """
    What is known before.

    examples: the newest, the middle and the oldest of the first jobs. ready: jobs that wait in
    their queues already. slots, workers: who would take them. known: the names of jobs that the
    workers of each queue know; none of a queue without workers. names: of the jobs themselves.
    """

    examples: Sequence[Row]
    ready: int
    slots: int
    workers: int
    known: Mapping[str, frozenset[str]]
    names: frozenset[str]


async def foresee(
    redis: Redis, queues: Sequence[str], selection: Selection, catalog: Catalog
) -> Foresight:
    """Look at the first jobs of *selection*, and at who would run them."""
    rows: list[Row] = []
    for name in selection.queues:
        page = await list_jobs(
            redis, name, selection.state, catalog, where=selection.where, limit=_READ
        )
        rows += page.rows
    places = sorted({0, len(rows) // 2, len(rows) - 1}) if rows else []
    counted = [await queue(redis, name) for name in selection.queues]
    workers = [one for name in selection.queues for one in await workers_of(redis, name)]
    return Foresight(
        examples=[rows[place] for place in places],
        ready=sum(one.ready or 0 for one in counted),
        slots=slots_of(workers),
        workers=len(workers),
        known=await known_jobs(redis, queues),
        names=frozenset(row.name for row in rows if row.name),
    )
