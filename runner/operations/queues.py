"""Queues: how many jobs are in each state, now and over the last hours."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 -- likewise
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any

from runner.admin import MOST_PAUSED_JOBS
from runner.broker import keys
from runner.broker.reading import Reader, Unreadable, answers, moment, shown_id
from runner.broker.servers import at
from runner.operations.verbs import ACTIVE, JOB_NAME_VERBS, PAUSED, QUEUE_VERBS, offered
from runner.periodic.gauges import queue_gauges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from runner.operations.verbs import Verb


@dataclass(frozen=True, slots=True)
class Paused:
    """
    Who paused it, and when.

    Attributes:
        by: Name of the operator; empty if it was not given.
        at: When it was paused.
    """

    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PausedJob:
    """
    A name whose jobs are paused.

    Attributes:
        name: Name of the jobs.
        by: Name of the operator who paused them; empty if it was not given.
        at: When they were paused.
    """

    name: str
    by: str
    at: datetime | None

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to them now."""
        return offered(JOB_NAME_VERBS, PAUSED)


@dataclass(frozen=True, slots=True)
class Queue:
    """
    One queue now. What cannot be counted is null, and *unreadable* says why.

    Attributes:
        name: Name of the queue.
        ready: Jobs that are due.
        running: Jobs that run.
        scheduled: Jobs that come due later.
        retrying: Jobs that failed and will be tried again.
        dead: Jobs in the dead set.
        done: Jobs that have ended, as far as they are listed.
        parked: Jobs that are parked: no worker knew their name or parameters.
        waiting: Jobs that wait for another one, which has their unique key, or for a place in
            their lane.
        oldest_wait_s: Seconds since the oldest ready job came due.
        paused: Set while the queue is paused.
        paused_jobs: The names whose jobs are paused, which wait among the parked ones.
        workers: Workers with a heartbeat that has not lapsed.
        unreadable: What of it cannot be read, and why; empty if all can.
    """

    name: str
    ready: int | None
    running: int | None
    scheduled: int | None
    retrying: int | None
    dead: int | None
    done: int | None
    parked: int | None
    waiting: int | None
    oldest_wait_s: float
    paused: Paused | None
    workers: int | None
    unreadable: str = ""
    paused_jobs: Sequence[PausedJob] = ()

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return offered(QUEUE_VERBS, PAUSED if self.paused else ACTIVE)


@dataclass(frozen=True, slots=True)
class Depth:
    """
    A queue's gauges at one poll, or the highest ones of several.

    Attributes:
        at: Time of the poll, of several that with the most ready jobs; null if no calendar has it.
        ready: Jobs that were due.
        running: Jobs that ran.
        scheduled: Jobs that were to come due later.
        retrying: Jobs that had failed and were to be tried again.
        dead: Jobs in the dead set.
        oldest_wait_ms: Milliseconds since the oldest ready job had come due.
    """

    at: datetime | None
    ready: int
    running: int
    scheduled: int
    retrying: int
    dead: int
    oldest_wait_ms: int


_POLLS = 2_000
"""More than are kept."""

_BY = 100


async def queue(redis: Redis, name: str) -> Queue:
    """Count one queue now."""
    redis = at(redis, name)
    gauges = await queue_gauges(redis, name)
    key = keys.of(redis).queue_key(name)
    reader = Reader()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(key + keys.PAUSED_SUFFIX)
        pipe.zrange(key + keys.WORKERS_SUFFIX, 0, -1)
        pipe.hscan(key + keys.PAUSED_JOBS_SUFFIX, 0, count=MOST_PAUSED_JOBS)
        note, register, of_jobs = await answers(pipe)
    workers = register
    if not isinstance(register, Unreadable):
        # The register keeps the silent for a while; who lives has a heartbeat.
        beats = [keys.of(redis).worker_prefix.encode() + worker_id for worker_id in register]
        workers = await redis.exists(*beats) if beats else 0
    if gauges.unreadable:
        reader.note(key, f"holds another type where jobs stand ({', '.join(gauges.unreadable)})")
    states: dict[str, Any] = {
        state: None if state in gauges.unreadable else getattr(gauges, state) for state in _STATES
    }
    return Queue(
        name=gauges.queue,
        **states,
        oldest_wait_s=gauges.oldest_wait_s,
        paused=paused_by(reader, key + keys.PAUSED_SUFFIX, note),
        workers=reader.known(workers),
        paused_jobs=_paused_jobs(reader, key + keys.PAUSED_JOBS_SUFFIX, of_jobs),
        unreadable=reader.unreadable,
    )


def _paused_jobs(reader: Reader, key: str, found: Any) -> list[PausedJob]:
    _, notes = reader.known(found, (0, {}))
    paused = [(shown_id(name), paused_by(reader, key, note)) for name, note in notes.items()]
    return sorted(
        (PausedJob(name, one.by, one.at) for name, one in paused if one is not None),
        key=lambda one: one.name,
    )


async def queues(redis: Redis, names: Sequence[str]) -> list[Queue]:
    """Count *names* now. The cost does not grow with the number of jobs."""
    return [await queue(redis, name) for name in names]


async def depth(redis: Redis, name: str, *, points: int = 240, hours: float = 8) -> list[Depth]:
    """
    The queue's gauges over its last polls, oldest first: of each step of time its highest values.

    There are about *points* steps. One without a poll has no entry: nobody knows what was there.
    """
    redis = at(redis, name)
    key, reader = keys.of(redis).depth_prefix + name, Reader()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        [(seconds, _)] = await answers(pipe)
    since_ms = round((seconds - hours * 3600) * 1000)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xrevrange(key, min=since_ms, count=_POLLS)
        [found] = await answers(pipe)
    polls = [_depth(reader, key, *entry) for entry in reader.known(found, [])[::-1]]
    timed = [(one, one.at.timestamp()) for one in polls if one.at is not None]
    if not timed:
        return []
    step_s = (timed[-1][1] - timed[0][1]) / points or 1.0
    steps: dict[int, list[Depth]] = {}
    for one, at_s in timed:
        steps.setdefault(int((at_s - timed[0][1]) / step_s), []).append(one)
    return [_highest(together) for together in steps.values()]


def _highest(polls: Sequence[Depth]) -> Depth:
    return Depth(
        at=max(polls, key=lambda one: one.ready).at,
        **{name: max(getattr(one, name) for one in polls) for name in _COUNTS},
    )


def paused_by(reader: Reader, key: str, note: Any) -> Paused | None:
    """
    Read the note of a pause; None if there is none.

    Whatever stands there pauses: a text that is no note of ours is who did it.
    """
    if note is None:
        return None
    if isinstance(note, bytes) and not note.startswith(b"{"):
        return Paused(shown_id(note)[:_BY], None)
    said = reader.fields(key, note)
    return Paused(said.text("by", most=_BY), said.moment("at_ms"))


def _depth(reader: Reader, key: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Depth:
    at = moment(int(entry_id.partition(b"-")[0]))
    counts = {name: reader.count(key, fields.get(name.encode())) for name in _COUNTS}
    return Depth(at=at, **counts)


_STATES = ("ready", "running", "scheduled", "retrying", "dead", "done", "parked", "waiting")
_COUNTS = ("ready", "running", "scheduled", "retrying", "dead", "oldest_wait_ms")
