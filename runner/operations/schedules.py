"""Periodic jobs: their last and next run, their missed ticks, and what an operator does to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from runner import chance, wall_clock
from runner.broker import keys
from runner.broker.reading import Reader
from runner.broker.redis_clock import redis_now
from runner.broker.servers import at
from runner.broker.set_aside import with_type
from runner.enqueue import Enqueue, set_limits
from runner.enqueuer import Enqueuer
from runner.errors import ConfigurationError
from runner.operations.queues import Paused, paused_by
from runner.operations.verbs import ACTIVE, PAUSED, SCHEDULE_VERBS, offered
from runner.partitions import head_start_ms
from runner.periodic.crontab import Crontab
from runner.periodic.ticks import field_of, last_runs, last_ticks, paused, start_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.keys import Keys
    from runner.broker.reading import Unreadable
    from runner.operations.actions import Operator
    from runner.operations.catalog import Catalog
    from runner.operations.verbs import Verb
    from runner.periodic.schedule import Periodic

_MISSED_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    One schedule.

    Attributes:
        name: Name of the schedule.
        job: Name of its job.
        queue: Queue of its job.
        crontab: When it ticks.
        words: The crontab in English.
        timezone: Time zone of the crontab.
        arguments: Arguments of its job, without secrets, long ones cut.
        catch_up: What happens to ticks that passed while no poller ran.
        jitter_s: Seconds by which a tick may be delayed at random.
        last_at: Its last tick that enqueued its job; null if none has.
        next_at: Its next tick; null while it is paused.
        missed: Ticks since then, or since it was first seen, that enqueued no job.
        paused: Set while the schedule is paused.
        unreadable: What of its state cannot be read, and why; empty if all can.
    """

    name: str
    job: str
    queue: str
    crontab: str
    words: str
    timezone: str
    arguments: dict[str, Any]
    catch_up: str
    jitter_s: float
    last_at: datetime | None
    next_at: datetime | None
    missed: int
    paused: Paused | None
    unreadable: str = ""

    @property
    def verbs(self) -> list[Verb]:
        """What may be done to it now."""
        return offered(SCHEDULE_VERBS, PAUSED if self.paused else ACTIVE)


async def schedules(redis: Redis, schedule: Sequence[Periodic], catalog: Catalog) -> list[Schedule]:
    """The state of each of *schedule*."""
    now = await redis_now(redis)
    lasts, runs = await last_ticks(redis, schedule), await last_runs(redis, schedule)
    notes = await paused(redis, schedule)
    return [
        _view(periodic, last, run, note, catalog=catalog, now=now, own=keys.of(redis))
        for periodic, last, run, note in zip(schedule, lasts, runs, notes, strict=True)
    ]


def schedules_in_sight(schedule: Sequence[Periodic], queues: Sequence[str]) -> list[Periodic]:
    """Leave out those whose queues are on a server that is away."""
    away = {name for one in getattr(queues, "away", ()) for name in one.queues}
    return [one for one in schedule if one.job.queue not in away]


def in_words(crontab: str) -> str:
    """The crontab as a sentence; the crontab itself if that fails."""
    try:
        from cron_descriptor import Options, get_description
    except ImportError:
        return crontab
    options = Options()
    options.use_24hour_time_format = True
    try:
        return str(get_description(crontab, options))
    except Exception:  # noqa: BLE001 -- a page without the sentence is better than none
        return crontab


async def act(
    redis: Redis, operator: Operator, schedule: Sequence[Periodic], verb: Verb, name: str
) -> str:
    """Do it to the schedule *name*; return the id of the job that it enqueued, if it did."""
    if verb.name == "run":
        return await run_now(redis, operator, schedule, name)
    await (pause if verb.name == "pause" else resume)(redis, operator, schedule, name)
    return ""


async def run_now(redis: Redis, operator: Operator, schedule: Sequence[Periodic], name: str) -> str:
    """
    Enqueue the schedule's job once, beside its ticks; return the job's id.

    If another job has its unique key, that one's; if its lane has no place, that of its last job.
    """
    periodic = _named(schedule, name)
    job = periodic.job
    args, kwargs = job.check((), periodic.kwargs)
    job_id = chance.new_id()
    enqueuer = Enqueuer(at(redis, job.queue))
    try:
        own = job.options_of_worker
        request = Enqueue(job.queue, job_id, job.name, args, kwargs, job=job)
        request.only_one, request.lane = own.unique, own.lane
        request.ahead_ms = head_start_ms(job.queue, own.priority)
        set_limits(request, own.start_within_s, own.deadline_s)
        await enqueuer.put(request)
    finally:
        await enqueuer.close()
    held_by = request.held_by
    outcome = f"nothing: {held_by[0]} has its unique key" if held_by else f"enqueued {job_id}"
    if request.is_lane_full:
        outcome = "nothing: its lane has no place"
    await operator.record("run schedule", name, outcome=outcome)
    return held_by[0] if held_by else job_id


async def pause(redis: Redis, operator: Operator, schedule: Sequence[Periodic], name: str) -> None:
    """Let its ticks enqueue nothing until it is resumed."""
    periodic = _named(schedule, name)
    field, where = field_of(periodic), at(redis, periodic.job.queue)
    note = to_json({"by": operator.who, "at_ms": wall_clock.now_ms()})

    async def write() -> object:
        return await where.hset(keys.of(where).schedule_paused, field, note)  # type: ignore[misc,arg-type]

    await with_type(where, keys.of(where).schedule_paused, "hash", write)
    await operator.record("pause schedule", name, outcome="done")


async def resume(redis: Redis, operator: Operator, schedule: Sequence[Periodic], name: str) -> None:
    """Let its ticks enqueue jobs again; those of the pause are not caught up on."""
    periodic = _named(schedule, name)
    redis = at(redis, periodic.job.queue)
    await start_from(redis, periodic, await redis_now(redis))
    await redis.hdel(keys.of(redis).schedule_paused, field_of(periodic), name)  # type: ignore[misc]
    await operator.record("resume schedule", name, outcome="done")


def _named(schedule: Sequence[Periodic], name: str) -> Periodic:
    for periodic in schedule:
        if periodic.name == name:
            return periodic
    raise ConfigurationError(f"there is no schedule {name!r}")


def _view(
    periodic: Periodic,
    tick: datetime | Unreadable | None,
    run: datetime | Unreadable | None,
    note: bytes | Unreadable | None,
    *,
    catalog: Catalog,
    now: datetime,
    own: Keys,
) -> Schedule:
    reader = Reader()
    last = reader.known(tick)
    # Where no note can be read, nobody knows of a pause, and its ticks enqueue their jobs.
    pause_note = reader.known(note)
    is_paused = paused_by(reader, own.schedule_paused, pause_note)
    crontab = Crontab(periodic.crontab, periodic.timezone)
    missed = (
        [] if last is None or is_paused else crontab.ticks_between(last, now, limit=_MISSED_AT_MOST)
    )
    return Schedule(
        name=periodic.name,
        job=periodic.job.name,
        queue=periodic.job.queue,
        crontab=periodic.crontab,
        words=in_words(periodic.crontab),
        timezone=periodic.timezone,
        arguments=catalog.arguments(periodic.job.name, (), periodic.kwargs),
        catch_up=periodic.catch_up,
        jitter_s=periodic.jitter_s,
        last_at=Reader().known(run),
        next_at=None if is_paused else crontab.next_after(now),
        missed=len(missed),
        paused=is_paused,
        unreadable=reader.unreadable,
    )
