"""What would follow from an action on many jobs: what a confirmation says, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.broker import keys
from runner.broker.reading import Reader, keys_of, look
from runner.broker.servers import by_server
from runner.errors import ConfigurationError
from runner.operations.jobs import list_jobs
from runner.operations.processes import workers_of
from runner.operations.queues import queue
from runner.operations.search import LIMITS

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

    def refuse_move(self, to: str) -> None:
        """
        Return if workers of *to* know the jobs, or nobody can tell.

        Raises:
            ConfigurationError: They do not.
        """
        refuse_unknown(to, self.names, self.known)


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
        slots=sum(one.slots for one in workers),
        workers=len(workers),
        known=await known_jobs(redis, queues),
        names=frozenset(row.name for row in rows if row.name),
    )


async def known_jobs(redis: Redis, queues: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the names of the jobs that the workers of each queue know."""
    return {
        name: frozenset(job for worker in await workers_of(redis, name) for job in worker.jobs)
        for name in queues
    }


def refuse_unknown(to: str, names: frozenset[str], known: Mapping[str, frozenset[str]]) -> None:
    """
    Return if workers of *to* know the jobs called *names*, or nobody can tell.

    Raises:
        ConfigurationError: They do not.
    """
    here = known.get(to, frozenset())
    unknown = sorted(names - here)
    if not here or not unknown:
        return
    able = [queue for queue, jobs in known.items() if names <= jobs]
    where = f"; those of {', '.join(able)} do" if able else ""
    raise ConfigurationError(
        f"the workers of {to} do not know {', '.join(unknown[:3])}{where}: nothing was moved"
    )


async def check_move(
    redis: Redis, queues: Sequence[str], to: str, chosen: Sequence[tuple[str, str]]
) -> None:
    """
    Return if workers of *to* know each of *chosen*, its queue and its id.

    Raises:
        ConfigurationError: They do not.
    """
    prefix = keys.of(redis).job_prefix.encode()
    read = []
    for one, here in by_server(redis, dict(chosen)):
        ids = [job_id for name, job_id in chosen if name in here]
        names = [prefix + key for job_id in ids for key in keys_of(job_id)]
        bodies = await look(one, strings=names, limits=LIMITS)
        read += [
            Reader().body(name, body)
            for name, body in zip(names, bodies, strict=True)
            if body is not None
        ]
    jobs = frozenset(one.name for one in read if one is not None)
    refuse_unknown(to, jobs, await known_jobs(redis, queues))
