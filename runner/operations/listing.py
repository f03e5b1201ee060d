"""
One list of jobs over all queues and states, page by page.

Those that run come first, then those that failed, those that are due, those that come later, the
dead, and those that are done; within a state by time. A page of a search looks at jobs for a
bounded time, and the next one goes on from there.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json, to_json

from runner import clock
from runner.broker.reading import NEVER
from runner.errors import ConfigurationError
from runner.operations.jobs import PAGE, list_jobs
from runner.operations.paging import Position, Sort, is_newest_first
from runner.operations.search import Filter
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.jobs import Row

ORDER: Final = (
    JobState.RUNNING,
    JobState.RETRYING,
    JobState.READY,
    JobState.SCHEDULED,
    JobState.PARKED,
    JobState.WAITING,
    JobState.DEAD,
    JobState.DONE,
)
"""The states in the order in which one list has them."""

LOOKED_FOR_S: Final = 0.03


@dataclass(frozen=True, slots=True)
class Listing:
    """
    Some jobs of several queues and states.

    Attributes:
        rows: The jobs.
        searched: Jobs that were compared with the filter, those of the pages before included.
        after: Where the next page starts; null on the last page.
        before: Where the page before ends; null on the first page.
        unreadable: What cannot be read, and why; empty if all can.
    """

    rows: list[Row]
    searched: int
    after: str | None
    before: str | None = None
    unreadable: str = ""


@dataclass
class _Place:
    """How far the list has been read: the state, and a place in each queue; None: it is read."""

    state: int
    places: list[str | None]
    searched: int

    def __str__(self) -> str:
        raw = to_json([self.state, self.places, self.searched])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, many: int) -> _Place:
        try:
            found = from_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            state, places, searched = found
            if len(places) == many and 0 <= int(state) < len(ORDER):
                return cls(int(state), [one and str(one) for one in places], int(searched))
        except (binascii.Error, TypeError, ValueError):
            pass
        raise ConfigurationError("that is not a place in the list; start from the top")

    def turned(self) -> _Place:
        """Return this place for those who read in the other direction."""
        places = ["" if one is None else None if not one else _turned(one) for one in self.places]
        return _Place(self.state, places, self.searched)


def _turned(place: str) -> str:
    return str(Position.read(place).turned())


async def listing(
    redis: Redis,
    queues: Sequence[str],
    states: Sequence[JobState],
    catalog: Catalog,
    *,
    where: Filter | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = PAGE,
    for_s: float = LOOKED_FOR_S,
    sort: Sort | None = None,
) -> Listing:
    """
    List the next *limit* jobs of *queues* in *states* that fit *where*.

    before: list the last ones before that place instead; the first page, if there are fewer. for_s:
    how long a search may take before it stops, to go on from its `after`. sort: which come first
    within a state.

    Raises:
        ConfigurationError: *after* or *before* is from no page.
    """
    where = where or Filter()
    asked = [state for state in ORDER if state in states]
    if before:
        back = _Back(redis, queues, asked, catalog, where, limit, sort)
        page = await back.listing(before, for_s=for_s)
        if page is not None:
            return page
    place = _Place.read(after, len(queues)) if after else _Place(0, [""] * len(queues), 0)
    rows: list[Row] = []
    problems: list[str] = []
    until = clock.monotonic() + for_s
    while place.state < len(asked):
        state = asked[place.state]
        left = limit - len(rows)
        found = await _merged(redis, queues, state, catalog, where, place, left, until, sort)
        rows += found[0]
        problems += found[1]
        if all(one is None for one in place.places):
            place.state, place.places = place.state + 1, [""] * len(queues)
        elif len(rows) >= limit or clock.monotonic() >= until:
            break
        if len(rows) >= limit:
            break
    more = str(place) if place.state < len(asked) else None
    return Listing(rows, place.searched, more, after or None, _joined(problems))


@dataclass(frozen=True, slots=True)
class _Back:
    """Reads the list from a place to its top."""

    redis: Redis
    queues: Sequence[str]
    asked: Sequence[JobState]
    catalog: Catalog
    where: Filter
    limit: int
    sort: Sort | None

    async def listing(self, before: str, *, for_s: float) -> Listing | None:
        """Return the page that ends there; None if the top comes first."""
        place = _Place.read(before, len(self.queues)).turned()
        until = clock.monotonic() + for_s
        rows, problems = await self._read(place, self.limit, until)
        behind = _Place(place.state, [*place.places], place.searched)
        more, _ = await self._read(behind, 1, until)
        if behind.state < 0 and not more:
            return None
        return Listing(rows[::-1], place.searched, before, str(place.turned()), _joined(problems))

    async def _read(self, place: _Place, limit: int, until: float) -> tuple[list[Row], list[str]]:
        """Read upwards, the nearest first; *place* moves on, above the first state at the top."""
        rows: list[Row] = []
        problems: list[str] = []
        while place.state >= 0 and len(rows) < limit:
            if place.state < len(self.asked):
                state = self.asked[place.state]
                sort = Sort.OLDEST if is_newest_first(state, self.sort) else Sort.NEWEST
                found = await _merged(
                    self.redis,
                    self.queues,
                    state,
                    self.catalog,
                    self.where,
                    place,
                    limit - len(rows),
                    until,
                    sort,
                    backwards=True,
                )
                rows += found[0]
                problems += found[1]
            if place.state >= len(self.asked) or all(one is None for one in place.places):
                place.state, place.places = place.state - 1, [""] * len(self.queues)
            elif clock.monotonic() >= until:
                break
        return rows, problems


def _joined(problems: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, problems)))


async def _merged(  # noqa: PLR0917 -- the parts of one place in one list
    redis: Redis,
    queues: Sequence[str],
    state: JobState,
    catalog: Catalog,
    where: Filter,
    place: _Place,
    limit: int,
    until: float,
    sort: Sort | None,
    *,
    backwards: bool = False,
) -> tuple[list[Row], list[str]]:
    """Read the next jobs of each queue, and take the first of them all; *place* moves on."""
    pages = []
    problems = []
    waiting = [number for number, one in enumerate(place.places) if one is not None]
    for turn, number in enumerate(waiting):
        share_s = max(0.005, (until - clock.monotonic()) / (len(waiting) - turn))
        page = await list_jobs(
            redis,
            queues[number],
            state,
            catalog,
            where=where,
            after=place.places[number] or None,
            limit=limit,
            for_s=share_s,
            sort=sort,
            with_suspects=not backwards,
        )
        problems.append(page.unreadable)
        pages.append((number, page))
    # Of one time, those of the queue that is named first come first, whatever the direction.
    in_order = reversed(pages) if backwards else pages
    rows = [(row, number) for number, page in in_order for row in page.rows]
    rows.sort(key=lambda one: one[0].at or NEVER, reverse=is_newest_first(state, sort))
    taken = rows[:limit]
    for number, page in pages:
        mine = [row for row, of in taken if of == number]
        if len(mine) == len(page.rows):
            place.places[number] = page.after
            place.searched += page.searched
        elif mine:
            place.places[number] = next((row.place for row in reversed(mine) if row.place), "")
            place.searched += len(mine)
    return [row for row, _ in taken], problems
