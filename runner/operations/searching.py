"""
Searches that go on while nobody looks: a page leads back to one by its id, and shows how far it is.

They live in the process that serves the pages: if that is another one tomorrow, the page begins
again. Each ends by itself: when all is searched, when enough is found, or after ten minutes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from runner import chance, clock
from runner.broker.cancel_safe import cancel_all
from runner.broker.outage import no_answer
from runner.operations.listing import listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.jobs import Row
    from runner.operations.listing import Listing
    from runner.operations.paging import Sort
    from runner.operations.search import Filter
    from runner.states import JobState

MOST_FOUND: Final = 500
_LONGEST_S: Final = 600.0
_MOST: Final = 20
"""Searches that are kept; of those beyond it the one that nobody has looked at longest ends."""

_STEP_S: Final = 0.1
_PAUSE_S: Final = 0.02
"""So long other requests go first after each step."""


class End(StrEnum):
    """Why a search does not go on."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    ENOUGH = "enough"
    LATE = "late"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched, and where."""

    queues: Sequence[str]
    states: Sequence[JobState]
    where: Filter
    sort: Sort | None


@dataclass
class Search:
    """
    One search. total: jobs to search, as counted when it began. end: None while it goes on.

    after: where it goes on, or would. problem: what ended it, if it could not go on.
    """

    asked: Asked
    total: int
    rows: list[Row]
    searched: int
    after: str | None
    before: str | None
    unreadable: str
    id: str = field(default_factory=lambda: chance.new_id(12))
    end: End | None = None
    problem: str = ""
    _began_s: float = field(default_factory=clock.monotonic)
    _task: asyncio.Task[None] | None = None

    @property
    def is_going(self) -> bool:
        """Whether it goes on by itself."""
        return self.end is None

    @property
    def left_s(self) -> float | None:
        """How long it will go on, by how fast it has been; None if nobody can tell."""
        ran_s = clock.monotonic() - self._began_s
        if not self.is_going or self.searched < 1 or ran_s < 1.0:
            return None
        return max(0.0, (self.total - self.searched) * ran_s / self.searched)

    def stop(self) -> None:
        """End it, if it goes on."""
        self.end = self.end or End.STOPPED

    async def run(self, redis: Redis, catalog: Catalog) -> None:
        """Go on until its end."""
        asked = self.asked
        try:
            while self.end is None:
                page = await listing(
                    redis,
                    asked.queues,
                    asked.states,
                    catalog,
                    where=asked.where,
                    after=self.after,
                    for_s=_STEP_S,
                    sort=asked.sort,
                )
                self.rows += page.rows
                self.searched, self.after = page.searched, page.after
                self.unreadable = self.unreadable or page.unreadable
                self._note_end()
                await asyncio.sleep(_PAUSE_S)
        except (RedisError, OSError) as error:
            self.end, self.problem = End.AWAY, no_answer(error)

    def _note_end(self) -> None:
        if self.end is not None:
            return  # somebody stopped it meanwhile
        if self.after is None:
            self.end = End.COMPLETE
        elif len(self.rows) >= MOST_FOUND:
            self.end = End.ENOUGH
        elif clock.monotonic() - self._began_s >= _LONGEST_S:
            self.end = End.LATE


class Searches:
    """The searches of the pages of one process."""

    def __init__(self, redis: Redis, catalog: Catalog) -> None:
        self._redis = redis
        self._catalog = catalog
        self._kept: OrderedDict[str, Search] = OrderedDict()

    def find(self, search_id: str) -> Search | None:
        """Return the search of this id; None if it is forgotten."""
        found = self._kept.get(search_id)
        if found is not None:
            self._kept.move_to_end(search_id)
        return found

    def begin(self, asked: Asked, first: Listing, *, total: int) -> Search:
        """Go on in the background from where *first* ends."""
        one = Search(
            asked,
            total,
            [*first.rows],
            first.searched,
            first.after,
            first.before,
            first.unreadable,
        )
        self._kept[one.id] = one
        one._task = asyncio.create_task(one.run(self._redis, self._catalog), name="search")  # noqa: SLF001 -- its own module
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)[1].stop()
        return one

    async def close(self) -> None:
        """End all of them."""
        await cancel_all([one._task for one in self._kept.values() if one._task])  # noqa: SLF001 -- its own module
