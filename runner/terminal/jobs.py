"""Jobs: those of one queue, and those of all queues in one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.operations.jobs import list_jobs
from runner.operations.queues import Queue, queue
from runner.operations.search import Filter
from runner.operations.words import detail, job_name, unreadable
from runner.states import LISTED, JobState
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading, short
from runner.wording import zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.operations.jobs import Row
    from runner.operations.session import OperatorSession
    from runner.terminal.orders import Target

_MOST = 200
"""Rows of a tab: more than anybody looks at, and read in a few milliseconds."""

_DETAIL = "error or arguments"
_LEFT = dict.fromkeys(("job", "id"), "left")
_RIGHT = {"at": "left", "attempts": "right", _DETAIL: "left"}
_FIELDS = {"job": "name", "id": "job_id", "text": "text", "error": "error"}


class Jobs(Pane):
    """What all lists of jobs share: their rows, and a filter by field that searches Redis."""

    @property
    def shown_words(self) -> str:
        """The filter without the words that name a field."""
        return " ".join(word for word in self.words.split() if _field(word) is None)

    async def _read(
        self, session: OperatorSession, queues: Sequence[str], states: Sequence[JobState]
    ) -> tuple[str, list[Line]]:
        given: dict[str, Any] = dict(filter(None, map(_field, self.words.split())))
        where = Filter(**given)
        rows: list[Row] = []
        total = searched = 0
        problems: list[str] = []
        for name in queues:
            for state in states:
                page = await list_jobs(
                    session.redis,
                    name,
                    state,
                    session.catalog,
                    where=where,
                    limit=max(1, _MOST - len(rows)),
                )
                rows += page.rows
                total += page.total
                searched += page.searched
                problems += filter(None, [unreadable(page.unreadable)])
        lines = [self._line(row) for row in rows[:_MOST]]
        summary = f"{len(lines):,} of {total:,} jobs"
        if not where.is_empty:
            summary = f"{len(lines):,} found, {searched:,} of {total:,} searched"
        return "\n".join(dict.fromkeys([f"{summary}; times are {zone()}", *problems])), lines

    def _line(self, row: Row) -> Line:
        cells = {
            "job": job_name(row),
            "id": short(row.job_id),
            "queue": row.queue,
            "state": row.state,
            "at": row.at,
            "attempts": row.attempts_made,
            _DETAIL: detail(row),
        }
        (columns,) = self.COLUMNS.values()
        return Line(
            f"{row.queue}/{row.job_id}",
            tuple(cells[heading] for heading in columns),
            row,
            "red" if row.state is JobState.DEAD else "",
        )


class JobsOfQueue(Jobs):
    """The jobs of one queue in every state. place: the queue's index."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "jobs": {**_LEFT, "state": "left", **_RIGHT}
    }

    def __init__(self) -> None:
        super().__init__()
        self.place = 0
        self._queue: Queue | None = None

    async def look(self, session: OperatorSession) -> Reading:
        """Read the queue's counts and its first jobs."""
        name = session.queues[self.place % len(session.queues)]
        self._queue = await queue(session.redis, name)
        summary, lines = await self._read(session, [name], LISTED)
        paused = " (paused)" if self._queue.paused else ""
        return Reading(f"{name}{paused}: {summary}", [lines])

    def chosen(self, kinds: tuple[type[Target], ...]) -> list[Target]:
        """An order for queues acts on the queue that is shown."""
        if Queue in kinds:
            return [] if self._queue is None else [self._queue]
        return super().chosen(kinds)


class JobsInState(Jobs):
    """The jobs of every queue in one state."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "jobs": {**_LEFT, "queue": "left", **_RIGHT}
    }
    STATE: ClassVar[JobState]

    async def look(self, session: OperatorSession) -> Reading:
        """Read the first jobs of each queue."""
        summary, lines = await self._read(session, session.queues, [self.STATE])
        return Reading(summary, [lines])


class Retries(JobsInState):
    """Jobs that failed and wait for another attempt."""

    STATE = JobState.RETRYING


class Dead(JobsInState):
    """Jobs that failed for good."""

    STATE = JobState.DEAD


def _field(word: str) -> tuple[str, str] | None:
    """`id=abc` as a field of the filter and its value; None if the word names no field."""
    name, equals, value = word.partition("=")
    return (_FIELDS[name], value) if equals and name in _FIELDS else None
