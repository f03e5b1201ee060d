"""
Failed jobs by job and error, so that forty jobs of one cause are one row.

Two errors are alike if their types are equal, and their messages but for digits and what is quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from runner import clock
from runner.operations.jobs import Row, list_jobs
from runner.operations.search import Filter, alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.states import JobState

_READ_FOR_S = 0.03
_PAGE = 100
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class Group:
    """
    Jobs of one name on one queue that failed alike.

    Attributes:
        queue: Their queue.
        state: Their state.
        job: Their name; null if their bodies cannot be read.
        error: Type of their last errors; empty if they have none.
        like: Their last errors with their messages, what differs left out.
        first_at: When the first of them died, or will be tried again.
        last_at: When the last of them did, or will be.
        rows: The jobs, those that died last first.
    """

    queue: str
    state: JobState
    job: str | None
    error: str
    like: str
    first_at: datetime | None
    last_at: datetime | None
    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        """How many jobs it has."""
        return len(self.rows)

    @property
    def key(self) -> str:
        """Tells it from others."""
        return f"{self.queue}/{self.job}/{self.like}"

    @property
    def times(self) -> list[datetime]:
        """When each of them died, or will be tried again."""
        return [row.at for row in self.rows if row.at is not None]

    @property
    def message(self) -> str:
        """What their messages have in common."""
        return self.like.partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Groups:
    """
    The groups of a state, those with most jobs first.

    Attributes:
        groups: The groups.
        searched: Jobs that were read.
        total: All jobs in that state.
        is_complete: Whether all were read: otherwise groups are larger than they look.
        unreadable: What cannot be read, and why; empty if all can.
    """

    groups: list[Group]
    searched: int
    total: int
    is_complete: bool
    unreadable: str = ""


async def groups(
    redis: Redis,
    queues: Sequence[str],
    state: JobState,
    catalog: Catalog,
    where: Filter | None = None,
) -> Groups:
    """Group the jobs in *state*: those that died last, and as many as a moment allows."""
    until = clock.monotonic() + _READ_FOR_S
    rows: list[Row] = []
    searched = total = 0
    is_complete = True
    problems = []
    for queue in queues:
        after: str | None = None
        while True:
            page = await list_jobs(
                redis, queue, state, catalog, where=where, after=after, limit=_PAGE
            )
            rows += page.rows
            searched += page.searched
            problems.append(page.unreadable)
            after = page.after
            if after is None or searched >= _MOST or clock.monotonic() >= until:
                break
        total += page.total
        is_complete = is_complete and after is None
    found: dict[tuple[str, str | None, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.queue, row.name, alike(row.error, row.message)), []).append(row)
    made = [_group(state, key, members) for key, members in found.items()]
    made.sort(key=lambda one: (-one.count, one.queue, one.job or "", one.like))
    return Groups(made, searched, total, is_complete, "; ".join(filter(None, problems)))


def _group(state: JobState, key: tuple[str, str | None, str], rows: Sequence[Row]) -> Group:
    queue, job, like = key
    times = [row.at for row in rows if row.at is not None]
    return Group(
        queue=queue,
        state=state,
        job=job,
        error=rows[0].error,
        like=like,
        first_at=min(times, default=None),
        last_at=max(times, default=None),
        rows=tuple(rows),
    )
