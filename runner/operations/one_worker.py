"""One process that works, or a worker that has gone silent: how it is, what it runs and ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from runner import clock
from runner.broker import keys
from runner.broker.reading import NEVER, Entries, look
from runner.broker.servers import at
from runner.operations.fleet import fleet
from runner.operations.jobs import list_jobs
from runner.operations.paging import Window
from runner.operations.run_jobs import read_members
from runner.operations.search import LIMITS
from runner.states import JobState
from runner.wording import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.fleet import Fleet, Member
    from runner.operations.jobs import Row
    from runner.operations.processes import Process
    from runner.operations.run_jobs import Member as JobMember
    from runner.operations.run_jobs import RunJob

LISTED: Final = 20
"""So many of its last jobs are listed; more are drawn."""

_DRAWN: Final = 100
"""Of each queue, and of those that are done and of the dead ones."""

_LAST: Final = timedelta(minutes=5)
_STEP: Final = 200
_SEARCHED_FOR_S: Final = 0.02
_MOST_RUNNING: Final = 200


@dataclass(frozen=True, slots=True)
class WorkerDetail:
    """
    One of the fleet, as of *at*, Redis's time.

    Attributes:
        at: When it was read.
        member: What its heartbeat says, and what the trouble is with it.
        sentence: How it is.
        remedy: What to do about that, or what follows by itself; empty if there is nothing.
        running: The jobs that it runs, those that began first first.
        ended: Its last jobs that have ended, the last ones first.
        searched: Ended jobs of its queues that were looked through for those.
        is_complete: Whether all that are listed were.
    """

    at: datetime
    member: Member
    sentence: str
    remedy: str
    running: list[Row]
    ended: list[RunJob]
    searched: int
    is_complete: bool

    @property
    def drawn(self) -> list[RunJob]:
        """Those that ended in the last five minutes."""
        return [one for one in self.ended if one.ended_at and one.ended_at > self.at - _LAST]

    @property
    def drawn_since(self) -> datetime:
        """From when on all of its jobs are drawn."""
        process = self.member.process
        since = max(self.at - _LAST, (process and process.started_at) or self.at - _LAST)
        starts = [one.started_at for one in self.drawn if one.started_at]
        return since if self.is_complete else max(since, min(starts, default=since))


async def one_worker(
    redis: Redis, queues: Sequence[str], name: str, catalog: Catalog
) -> WorkerDetail | None:
    """Read one by the name of its process, or the id of one of its workers; None: it is gone."""
    found = await fleet(redis, queues)
    member = next((one for one in found.members if name == one.name or name in _ids(one)), None)
    if member is None:
        return None
    ids = _ids(member)
    running = [row for queue in member.queues for row in await _running(redis, queue, catalog, ids)]
    ended, searched, is_complete = await _ended(redis, member.queues, ids, catalog)
    sentence, remedy = _how(member, found)
    return WorkerDetail(
        found.at,
        member,
        sentence,
        remedy,
        sorted(running, key=lambda row: row.at or NEVER),
        ended,
        searched,
        is_complete,
    )


def _ids(member: Member) -> list[str]:
    if member.process is None:
        return [member.name]
    return [worker.worker_id for worker in member.process.workers]


async def _running(redis: Redis, queue: str, catalog: Catalog, ids: Sequence[str]) -> list[Row]:
    page = await list_jobs(redis, queue, JobState.RUNNING, catalog, limit=_MOST_RUNNING)
    return [row for row in page.rows if row.worker in ids]


async def _ended(
    redis: Redis, queues: Sequence[str], ids: Sequence[str], catalog: Catalog
) -> tuple[list[RunJob], int, bool]:
    """Look through the last jobs of *queues*, done and dead, for those that *ids* ran."""
    until, searched, is_complete = clock.monotonic() + _SEARCHED_FOR_S, 0, True
    words = [to_json(one) for one in ids]
    found: list[JobMember] = []
    for queue in queues:
        for state in (JobState.DEAD, JobState.DONE):
            some, looked_at, was_all = await _by(at(redis, queue), queue, state, words, until)
            found += [(queue, one) for one in some]
            searched, is_complete = searched + looked_at, is_complete and was_all
    read = [one.job for one in (await read_members(redis, found, catalog)).values()]
    mine = [one for one in read if one.worker in ids and one.ended_at is not None]
    return sorted(mine, key=lambda one: one.ended_at or NEVER, reverse=True), searched, is_complete


async def _by(
    redis: Redis, queue: str, state: JobState, words: Sequence[bytes], until: float
) -> tuple[list[bytes], int, bool]:
    """Return the last jobs with one of *words*, of how many, and whether all were looked at."""
    own, found, searched = keys.of(redis), list[bytes](), 0
    window, place = await Window.of(redis, queue, state), None
    while len(found) < _DRAWN:
        some = await window.read(place, _STEP)
        names = [one.member for one in some]
        if state is JobState.DONE:
            prefix = own.result_prefix.encode()
            texts = await look(redis, strings=[prefix + one for one in names], limits=LIMITS)
        else:
            prefix = own.history_prefix.encode()
            texts = await look(redis, lists=[prefix + one for one in names], limits=LIMITS)
        searched += len(names)
        found += [one for one, text in zip(names, texts, strict=True) if _is_by(text, words)]
        if len(some) < _STEP:
            return found, searched, True
        place = some[-1]
        if clock.monotonic() >= until:
            break
    return found[:_DRAWN], searched, False


def _is_by(text: object, words: Sequence[bytes]) -> bool:
    if isinstance(text, Entries):
        text = text.last[-1] if text.last else None
    return isinstance(text, bytes) and any(word in text for word in words)


def _how(member: Member, found: Fleet) -> tuple[str, str]:
    """How it is, and what to do about it."""
    if member.process is None:
        since, due = member.silent_since, member.due_at
        follows = "It holds no job."
        if due is not None:
            follows = f"Its jobs come due again at {due:%Y-%m-%d %H:%M:%S} UTC."
        return f"It has been silent since {since:%Y-%m-%d %H:%M:%S} UTC.", follows
    process = member.process
    busy = f"{process.busy:,} of {process.slots:,} slots are busy"
    late = milliseconds(process.lag_ms)
    usual = found.release or "one without a name"
    by_trouble = {
        "unreadable": (f"Its heartbeat cannot be read: {process.unreadable}.", ""),
        "loop blocked": (
            f"A job blocks its event loop: the last heartbeat came {late} late.",
            "Its log names the job; ctx.offload puts such work into a process of its own.",
        ),
        "other release": (
            f"It runs release {process.release or 'without a name'}; most run {usual}.",
            f"It works: {busy}.",
        ),
    }
    if member.trouble in by_trouble:
        return by_trouble[member.trouble]
    return _when_well(process, busy)


def _when_well(process: Process, busy: str) -> tuple[str, str]:
    if process.stopping:
        return f"It is stopping: {busy}.", "What outlasts its grace time goes back to its queue."
    if process.quiet:
        return f"It takes no more jobs, as it was asked to: {busy}.", "Resume it to go on."
    return f"It works: {busy}.", ""
