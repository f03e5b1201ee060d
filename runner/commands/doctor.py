"""`pipeline doctor`: what is wrong or risky, and what to do about it."""

from __future__ import annotations

import stat
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import click

from runner import clock, wall_clock
from runner.broker import keys
from runner.commands.output import Shown, shows
from runner.commands.tables import Remark
from runner.operations.findings import SLOW_MS, Finding, Severity, examined
from runner.private_files import OTHERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from runner.broker.announced import Away
    from runner.client import QueueClient
    from runner.commands.doctor_redis import Concern
    from runner.commands.host import Host
    from runner.operations.session import OperatorSession
    from runner.processes.health import Finding as Health

_PINGS = 20
_CHECK_LIMIT_S = 15.0  # the first call to a database loads its libraries
_SLOW_CHECK_MS = 1_000.0
_SKEW_S = 1.0
_KEYS_LOOKED_AT = 100_000
_KEYS_LOOKED_FOR_S = 1.0
_PAGE = 1_000


@click.command
@click.option(
    "--repair",
    is_flag=True,
    help="Mend what stands in Redis and is none of ours: set it aside, for 30 days, or take it out "
    "of what it is in. No job is deleted.",
)
@shows
async def doctor(host: Host, *, repair: bool) -> Shown:
    """
    Look for what is wrong or risky, and say what to do about it.

    Exit status: 0 if all is well, 1 with a warning, 2 with an error.
    """
    findings = await _examine(host, repair=repair)
    return Shown(
        [_document(one) for one in findings],
        list(map(_part, findings)),
        status=max(one.severity for one in findings),
    )


async def _examine(host: Host, *, repair: bool) -> list[Finding]:
    from runner.broker.servers import awake
    from runner.operations.findings import of_store
    from runner.operations.queues import queues
    from runner.operations.redis_info import store
    from runner.operations.snapshot import look

    async with host.operator_session() as session:
        findings: list[Finding] = []
        seen = await look(session.redis, session.queues, session.catalog, session.schedule)
        for server, one in _of_each_server(session):
            found = [finding async for finding in _of_faults(one, repair=repair)]
            is_first = awake(one.redis) is awake(session.redis)
            found += (
                examined(seen)
                if is_first
                else of_store(await store(one.redis), await queues(one.redis, one.queues))
            )
            found += [finding async for finding in _of_redis(one.redis)]
            found += [finding async for finding in _of_keys(one)]
            found += [finding async for finding in _of_secrets(one.redis)]
            found += [finding async for finding in _of_strays(session, one)]
            findings += [replace(each, text=f"{server}{each.text}") for each in found]
        findings += [_of_away(one) for one in getattr(session.queues, "away", ())]
        findings += _of_files(host.private_places)
        findings += await _of_the_rest(host)
    return findings


def _of_each_server(session: OperatorSession) -> Iterator[tuple[str, OperatorSession]]:
    """Yield what each finding of a server begins with, and a session with the queues there."""
    from runner.broker.servers import answering, at, everywhere, name_of

    if len(everywhere(session.redis)) == 1:
        yield "", session
        return
    for client in answering(session.redis):
        queues = [name for name in session.queues if at(session.redis, name) is client]
        here = cast("QueueClient", client)
        yield f"{name_of(client)}: ", replace(session, redis=here, queues=queues)


def _of_away(one: Away) -> Finding:
    remedy = "Start it, or correct REDIS_URLS__<QUEUE> or the `redis` of the settings classes."
    return Finding("redis", Severity.ERROR, str(one), remedy)


async def _of_strays(session: OperatorSession, here: OperatorSession) -> AsyncIterator[Finding]:
    """Look for jobs of queues that are on another server: no worker will find them."""
    from runner.broker.reading import Reader, answers

    elsewhere = [name for name in session.queues if name not in here.queues]
    async with here.redis.pipeline(transaction=False) as pipe:
        for name in elsewhere:
            pipe.zcard(keys.of(here.redis).queue_key(name))
        counts = await answers(pipe) if elsewhere else []
    for name, count in zip(elsewhere, counts, strict=True):
        if jobs := Reader().known(count, 0):
            waits = "1 job waits" if jobs == 1 else f"{jobs:,} jobs wait"
            yield Finding(
                f"queue {name}",
                Severity.ERROR,
                f"{waits} here, where no worker looks: the queue is on another server",
                "Whoever enqueues there must know where the queue is: set REDIS_URLS__<QUEUE>.",
            )


async def _of_redis(redis: Redis) -> AsyncIterator[Finding]:
    from runner.commands.doctor_redis import clock_concern, growth_concern, replica_concerns

    yield await _round_trip(redis)
    yield await _clock(redis)
    concerns = [await clock_concern(redis), await growth_concern(redis)]
    for one in [*filter(None, concerns), *[one async for one in replica_concerns(redis)]]:
        yield _of_concern(one)


async def _of_faults(session: OperatorSession, *, repair: bool) -> AsyncIterator[Finding]:
    from runner.commands.doctor_faults import aside_concern, fault_concerns

    async for one in fault_concerns(session, repair=repair):
        yield _of_concern(one)
    if (aside := await aside_concern(session.redis)) is not None:
        yield _of_concern(aside)


def _of_concern(one: Concern) -> Finding:
    severity = Severity.WARNING if one.remedy else Severity.OK
    return Finding(one.name, severity, one.text, one.remedy)


async def _round_trip(redis: Redis) -> Finding:
    from runner.operations.redis_info import round_trips_ms

    took = await round_trips_ms(redis, _PINGS)
    median = statistics.median(took)
    text = f"{median:.2f} ms in the median of {_PINGS}, {max(took):.2f} ms at worst"
    if median < SLOW_MS:
        return Finding("round trip", Severity.OK, text)
    return Finding(
        "round trip",
        Severity.WARNING,
        text,
        "Run workers near their Redis: each batch waits for it.",
    )


async def _clock(redis: Redis) -> Finding:
    before = wall_clock.now_ms() / 1000
    seconds, micros = await redis.time()
    here = (before + wall_clock.now_ms() / 1000) / 2
    skew = here - (seconds + micros / 1e6)
    text = f"{abs(skew) * 1000:.0f} ms {'ahead of' if skew > 0 else 'behind'} that of Redis"
    if abs(skew) < _SKEW_S:
        return Finding("clock", Severity.OK, text)
    return Finding(
        "clock",
        Severity.WARNING,
        text,
        "Synchronise both by NTP: one sets due times, the other keeps them.",
    )


async def _of_keys(session: OperatorSession) -> AsyncIterator[Finding]:
    """Bodies of jobs that are in no queue: they never run, and take memory."""
    looked_at = 0
    orphans: list[str] = []
    cursor = 0
    until = clock.monotonic() + _KEYS_LOOKED_FOR_S
    while looked_at < _KEYS_LOOKED_AT and clock.monotonic() < until:
        cursor, found = await session.redis.scan(
            cursor, match=keys.of(session.redis).job_prefix + "*", count=_PAGE
        )
        looked_at += len(found)
        orphans += await _orphans(
            session, [key.removeprefix(keys.of(session.redis).job_prefix.encode()) for key in found]
        )
        if not cursor:
            break
    text = f"{looked_at:,} bodies looked at" + ("" if not cursor else ", of more")
    if not orphans:
        yield Finding("orphaned keys", Severity.OK, f"none; {text}")
        return
    yield Finding(
        "orphaned keys",
        Severity.WARNING,
        f"{len(orphans):,} job bodies are in none of these queues, such as {orphans[0]}; {text}",
        "They may be of queues that are no longer configured; else delete "
        f"{keys.of(session.redis).job_prefix}<id>.",
    )


async def _of_secrets(redis: Redis) -> AsyncIterator[Finding]:
    from runner.commands.doctor_secrets import secret_concerns

    for text, remedy in await secret_concerns(redis):
        yield Finding("secrets", Severity.WARNING if remedy else Severity.OK, text, remedy)


async def _orphans(session: OperatorSession, ids: Sequence[bytes]) -> list[str]:
    """Those that are in none of the queues; asked twice, since a job may be moving."""
    from runner.broker.reading import Unreadable, answers

    left = list(ids)
    for _ in range(2):
        if not left:
            break
        async with session.redis.pipeline(transaction=False) as pipe:
            for queue in session.queues:
                for suffix in keys.PLACES:
                    pipe.zmscore(
                        keys.of(session.redis).queue_key(queue) + suffix, cast("list[str]", left)
                    )
            found_in = await answers(pipe)
        scores = [one for one in found_in if not isinstance(one, Unreadable)]
        left = [
            job_id
            for job_id, *found in zip(left, *scores, strict=True)
            if all(score is None for score in found)
        ]
    return [job_id.decode("utf-8", "backslashreplace") for job_id in left]


def _of_files(places: Sequence[Path]) -> Iterator[Finding]:
    for path in places:
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            text = f"{path} is open to other users ({mode:04o})"
            yield Finding("files", Severity.WARNING, text, f"chmod go= {path}")
        else:
            yield Finding("files", Severity.OK, f"{path} is this user's alone")


async def _of_the_rest(host: Host) -> list[Finding]:
    from runner.processes.health import find

    checks = host.checks_beside_redis()
    await find(checks, _CHECK_LIMIT_S)  # the first call loads libraries, which is nobody's slowness
    return [_of_check(one) for one in await find(checks, _CHECK_LIMIT_S)]


def _of_check(one: Health) -> Finding:
    if not one.ok:
        return Finding(one.name, Severity.ERROR, one.reason, "See its setting in docs/settings.md.")
    if one.ms < _SLOW_CHECK_MS:
        return Finding(one.name, Severity.OK, one.reason)
    return Finding(
        one.name, Severity.WARNING, one.reason, "Find out what keeps it: jobs wait for it, too."
    )


def _document(one: Finding) -> dict[str, str]:
    return {
        "name": one.name,
        "severity": one.severity.name.lower(),
        "text": one.text,
        "remedy": one.remedy,
    }


_COLORS = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.ERROR: "red"}


def _part(one: Finding) -> Remark:
    mark = one.severity.name.lower()
    return Remark(mark, _COLORS[one.severity], one.name, [one.text, *filter(None, [one.remedy])])
