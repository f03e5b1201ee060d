"""Unique keys in a test's memory: as the scripts have them in Redis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runner.testing.records import Stage
from runner.unique import CHANGES_ANOTHER

if TYPE_CHECKING:
    from datetime import datetime

    from runner.testing.records import Record

_WAIT = frozenset({Stage.WAITING, Stage.RETRYING, Stage.PARKED})
_TAKES_TURNS = frozenset({"after", "reschedule"})


@dataclass(slots=True)
class _Held:
    """A key: the job that holds it, the one that waits for it, until when it is held after that."""

    holder: Record
    following: Record | None = None
    over: datetime | None = None


class UniqueKeys:
    """Which job holds which key."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def ask(self, record: Record, now: datetime) -> Record | None:
        """
        Ask for the key of a new job; return the job that is there in its place.

        If there is none, *record* has the key, or waits for it: its stage says so.
        """
        unique = record.request.only_one
        assert unique is not None  # noqa: S101 -- or nobody would ask
        record.key = record.request.unique_key(record.body)
        held = self._held.get(record.key)
        if held is not None and held.over is not None and held.over <= now:
            held = None
        if held is None:
            self._held[record.key] = _Held(record)
            return None
        there = self._there(held, record)
        if there is None and record.stage is not Stage.HELD_BACK:
            self._held[record.key] = _Held(record, held.following)
        return there

    def _there(self, held: _Held, record: Record) -> Record | None:
        unique, holder = record.request.only_one, held.holder
        assert unique is not None  # noqa: S101 -- `ask` was asked
        takes_turns = unique.on_conflict in _TAKES_TURNS
        if held.over is not None and takes_turns:
            record.due = max(record.due, held.over)
            return None
        if holder.stage is Stage.RUNNING and unique.until == "started":
            return None
        changes = unique.on_conflict in CHANGES_ANOTHER
        if held.following is not None and changes:
            return _swapped(held.following, record)
        if holder.stage is Stage.RUNNING and takes_turns:
            held.following, record.stage = record, Stage.HELD_BACK
            return None
        if holder.stage in _WAIT and changes:
            return _swapped(holder, record)
        return holder

    def give_back(self, record: Record) -> None:
        """Free the key of a job that is not enqueued after all."""
        held = self._held.get(record.key)
        if held is not None and held.holder is record:
            del self._held[record.key]

    def free(self, record: Record, now: datetime) -> Record | None:
        """Free the key of a job that has ended; return the one that waited for it."""
        held, unique = self._held.get(record.key), record.request.only_one
        if held is None or unique is None:
            return None
        if held.following is record:
            held.following = None
        if held.holder is not record or held.over is not None:
            return None
        if record.stage is Stage.DEAD and unique.while_dead:
            return None
        pause = unique.for_s if record.ended_as == "done" else 0.0
        following, until = held.following, now + timedelta(seconds=pause)
        if following is not None:
            self._held[record.key] = _Held(following)
            following.stage = Stage.WAITING
            following.due = max(following.due, until) if pause else following.due
        elif pause:
            held.over = until
        else:
            del self._held[record.key]
        return following


def _swapped(there: Record, new: Record) -> Record:
    """Give a job that waits the arguments of a later call."""
    unique = new.request.only_one
    assert unique is not None  # noqa: S101 -- `ask` was asked
    if unique.on_conflict == "reschedule":
        due = new.due
        if unique.max_wait_s is not None:
            due = min(due, there.first + timedelta(seconds=unique.max_wait_s))
        there.due = max(due, there.due) if there.stage is Stage.RETRYING else due
    there.request = replace(new.request, job_id=there.request.job_id)
    there.body = new.body
    return there
