"""The schedules: when each runs next, ran last, and what it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from runner.operations.schedules import schedules, schedules_in_sight
from runner.operations.words import arguments, unreadable
from runner.terminal.live_table import Line
from runner.terminal.pane import Pane, Reading
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.operations.schedules import Schedule
    from runner.operations.session import OperatorSession


class Schedules(Pane):
    """Every periodic job, the next one on top."""

    COLUMNS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "schedules": {
            "schedule": "left",
            "next": "left",
            "last": "left",
            "missed": "right",
            "when": "left",
            "zone": "left",
            "queue": "left",
            "": "left",
            "arguments": "left",
        }
    }

    async def look(self, session: OperatorSession) -> Reading:
        """Read when each ran."""
        planned = schedules_in_sight(session.schedule, session.queues)
        found = await schedules(session.redis, planned, session.catalog)
        found.sort(key=lambda one: (one.next_at is None, one.next_at, one.name))
        summary = f"{counted(len(found), 'schedule')}; pipeline schedules pauses, resumes, runs one"
        return Reading(summary, [[_line(one) for one in found]])


def _line(one: Schedule) -> Line:
    state = unreadable(one.unreadable) or ("paused" if one.paused else "")
    cells = (
        one.name,
        one.next_at,
        one.last_at,
        one.missed,
        one.words,
        one.timezone,
        one.queue,
        state,
        arguments(one.arguments),
    )
    return Line(one.name, cells, one, "magenta" if state else "")
