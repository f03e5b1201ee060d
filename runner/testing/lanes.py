"""Lanes in a test's memory: as the scripts have them in Redis."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runner.testing.records import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.testing.records import Record

_NOT_STARTED = frozenset({Stage.WAITING, Stage.RETRYING})
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Lane:
    """A lane's jobs, those without a place held back, and until when its tokens are used up."""

    jobs: list[Record] = field(default_factory=list)
    used: datetime = _EVER

    def inside(self) -> list[Record]:
        return [one for one in self.jobs if one.stage is not Stage.HELD_BACK]


class Lanes:
    """Which jobs are in which lane."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], _Lane] = {}

    def join(self, record: Record, now: datetime) -> None:
        """Let a job come into its lane, if it has one; without a place it is held back."""
        if record.request.lane is None:
            return
        record.lane = record.request.queue, record.request.lane_key(record.body)
        own, last = self._lane(record), self._last_inside(record)
        if last is not None:
            (last if _gives_way(last, record, now) else record).stage = Stage.HELD_BACK
        if record.stage is not Stage.HELD_BACK:
            _pace(record, own, now)
        own.jobs.append(record)

    def last_of_full(self, record: Record, now: datetime) -> Record | None:
        """Return the last job of a lane that has no place for a new one; None if it has."""
        if record.request.lane is None or record.stage is Stage.HELD_BACK:
            return None
        record.lane = record.request.queue, record.request.lane_key(record.body)
        last, record.lane = self._last_inside(record), None
        return None if last is None or _gives_way(last, record, now) else last

    def older(self, record: Record, now: datetime) -> list[Record]:
        """Return the jobs that are to be aborted if a new one finds no place in its lane."""
        lane = record.request.lane
        if lane is None or lane.at_limit in {"wait", "skip"} or record.due > now:
            return []
        own = self._lanes.get((record.request.queue, record.request.lane_key(record.body)), _Lane())
        due = [one for one in own.jobs if one.stage is Stage.RUNNING or one.due <= now]
        waiting = [one for one in due if one.stage is Stage.HELD_BACK]
        if lane.at_limit == "newest":
            return waiting
        both = [one for one in due if one.stage is not Stage.HELD_BACK] + waiting
        return both[: max(0, len(both) + 1 - lane.places)]

    def _last_inside(self, record: Record) -> Record | None:
        """Return the last job inside the lane of a job, if no place is left there."""
        lane, inside = record.request.lane, self._lane(record).inside()
        if lane is None or len(inside) < lane.places:
            return None
        return max(inside, key=lambda one: one.due)

    def start(self, record: Record, now: datetime) -> Iterator[Record]:
        """Note that a job starts; yield those that come in since its place is free with that."""
        lane = record.request.lane
        if lane is not None and record.lane is not None and (lane.rate or lane.until == "started"):
            own = self._lane(record)
            own.used = max(own.used, now) + record.request.lane_time(record.body)
            yield from self.leave(record, now)

    def correct(self, record: Record, units: float, now: datetime) -> list[Record]:
        """Note that an attempt has spent other units; return those that are due anew by that."""
        lane = record.request.lane
        if lane is None or lane.rate is None:
            return []
        record.lane = record.request.queue, record.request.lane_key(record.body)
        own, record.lane = self._lane(record), None
        more = lane.rate.unit * units - record.request.lane_time(record.body)
        own.used = (now if own.used == _EVER else own.used) + more
        inside = sorted(own.inside(), key=lambda one: one.asked)
        for place, one in enumerate(inside):
            one.due = one.asked
            _be_due(one, own, now, inside[:place])
        return inside

    def hold(self, record: Record, until: datetime) -> list[Record]:
        """Let no job of a lane start before *until*; return those that are due anew by that."""
        if record.request.lane is None:
            return []
        record.lane = record.request.queue, record.request.lane_key(record.body)
        own = self._lane(record)
        own.used = max(own.used, until)
        waiting = [one for one in own.inside() if one.stage in _NOT_STARTED]
        for one in waiting:
            one.due = max(one.due, until)
        return waiting

    def leave(self, record: Record, now: datetime) -> Iterator[Record]:
        """Take a job out of its lane, if it is in one; yield those that come in for it."""
        if record.lane is None:
            return
        own, record.lane = self._lane(record), None
        if record in own.jobs:
            own.jobs.remove(record)
        for one in sorted(own.jobs, key=lambda one: one.due):
            lane = one.request.lane
            if one.stage is Stage.HELD_BACK and lane and len(own.inside()) < lane.places:
                _pace(one, own, now)
                one.stage = Stage.RETRYING if one.spent else Stage.WAITING
                one.due = max(one.due, now)
                yield one

    def _lane(self, record: Record) -> _Lane:
        assert record.lane is not None  # noqa: S101 -- it has joined
        return self._lanes.setdefault(record.lane, _Lane())


def _gives_way(last: Record, record: Record, now: datetime) -> bool:
    return last.stage in _NOT_STARTED and last.due > max(now, record.due)


def _pace(record: Record, own: _Lane, now: datetime) -> None:
    """Let a job be due no earlier than its lane's rate allows, behind those inside."""
    record.asked = record.due
    _be_due(record, own, now, own.inside())


def _be_due(record: Record, own: _Lane, now: datetime, before: list[Record]) -> None:
    lane = record.request.lane
    assert lane is not None  # noqa: S101 -- it has joined
    takes = record.request.lane_time(record.body)
    ahead = (
        timedelta()
        if lane.rate is None
        else sum((one.request.lane_time(one.body) for one in before), timedelta())
    )
    spare = timedelta() if lane.rate is None else max(lane.rate.burst * lane.rate.unit, takes)
    if own.used > now or ahead:
        record.due = max(record.asked, max(own.used, now) + ahead + takes - spare)
