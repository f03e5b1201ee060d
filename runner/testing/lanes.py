"""Lanes in a test's memory: as the scripts have them in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.testing.records import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from runner.testing.records import Record

_NOT_STARTED = frozenset({Stage.WAITING, Stage.RETRYING})


class Lanes:
    """Which jobs are in which lane; those that are held back have no place."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], list[Record]] = {}

    def join(self, record: Record, now: datetime) -> None:
        """Let a job come into its lane, if it has one; without a place it is held back."""
        lane = record.request.lane
        if lane is None:
            return
        key = record.request.queue, record.request.lane_key(record.body)
        jobs = self._jobs.setdefault(key, [])
        record.lane = key
        inside = [one for one in jobs if one.stage is not Stage.HELD_BACK]
        jobs.append(record)
        if len(inside) < lane.limit:
            return
        last = max(inside, key=lambda one: one.due)
        if last.stage in _NOT_STARTED and last.due > max(now, record.due):
            last.stage = Stage.HELD_BACK
        else:
            record.stage = Stage.HELD_BACK

    def leave(self, record: Record, now: datetime) -> Iterator[Record]:
        """Take a job out of its lane, if it has one; yield those that come in for it."""
        if record.lane is None:
            return
        jobs = self._jobs[record.lane]
        jobs.remove(record)
        if not jobs:
            del self._jobs[record.lane]
        record.lane = None
        for one in sorted(jobs, key=lambda one: one.due):
            inside = sum(other.stage is not Stage.HELD_BACK for other in jobs)
            if (
                one.stage is Stage.HELD_BACK
                and one.request.lane
                and inside < one.request.lane.limit
            ):
                one.stage = Stage.RETRYING if one.spent else Stage.WAITING
                one.due = max(one.due, now)
                yield one
