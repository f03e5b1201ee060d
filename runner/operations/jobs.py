"""
A queue's jobs by state, page by page, filtered.

For each page a search looks at jobs for a bounded time, and says at how many of how many; the next
page goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field

from runner import clock
from runner.broker import keys
from runner.broker.chunks import chunks
from runner.broker.reading import NEVER, Reader, answers, crash_count, cut, look, moment, shown_id
from runner.broker.servers import at
from runner.context import Progress  # noqa: TC001 -- the API's schema reads it
from runner.operations.head_start import due_of
from runner.operations.job import attempts_made, is_pickled
from runner.operations.paging import Position, Sort, Window, is_newest_first
from runner.operations.processes import RunningJob, workers_of
from runner.operations.search import LIMITS, Filter, Sieve, last_of
from runner.operations.verbs import job_verbs
from runner.states import JobState
from runner.worker.claim import worker_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from redis.asyncio import Redis

    from runner.broker.keys import Keys
    from runner.operations.catalog import Catalog
    from runner.operations.verbs import JobVerb

PAGE = 50
_SEARCHED = 20_000
_SEARCHED_FOR_S = 0.04
"""A page is searched for so long; the next one goes on from there."""

_STEP = 1_000
"""Jobs read in one round trip."""

_STEP_BY_ERROR = 500
"""Fewer, since each has a list of its own."""

_RUNNING_AT_MOST = 5_000

_ARGUMENTS = 4_000
"""Characters that a row may show of its job's arguments."""

_MESSAGE = 1_000
_NAME = 200


@dataclass(frozen=True, slots=True)
class Row:
    r"""
    One job in a list.

    Attributes:
        job_id: Id of the job; bytes that are not UTF-8 are written as `\xff`.
        queue: Queue of the job.
        state: State of the job.
        name: Name of the job; null if its body cannot be read.
        arguments: Arguments by name, without secrets, long ones cut.
        enqueued_at: When the job was enqueued.
        at: When the job is due; when it was claimed, if it runs; when it died or ended, if it is
            dead or done.
        attempts_made: Attempts since it was enqueued or retried by hand, the running one included.
        crashes: Times that a worker crashed while it ran.
        unknown: Whether it is parked: no worker knew its name or its parameters.
        worker: Id of the worker that runs it; null if it does not run.
        progress: How far it has come; null if it does not run, or reports no progress.
        succeeded: Whether it succeeded; null until it is done, and once its result is gone.
        ran_s: Seconds that its last attempt ran; null where *succeeded* is.
        error: Type of the last attempt's error.
        message: Message of the last attempt's error.
        unreadable: What of the job cannot be read, and why; empty if all can.
        key: Id of the job in Redis.
        place: Its place in its list.
    """

    job_id: str
    queue: str
    state: JobState
    name: str | None
    arguments: dict[str, Any]
    enqueued_at: datetime | None
    at: datetime | None
    attempts_made: int
    crashes: int
    unknown: bool
    worker: str | None
    progress: Progress | None
    succeeded: bool | None
    ran_s: float | None
    error: str
    message: str
    unreadable: str
    key: Annotated[bytes, Field(exclude=True)] = field(repr=False)
    place: Annotated[str, Field(exclude=True)] = field(repr=False)

    @property
    def verbs(self) -> list[JobVerb]:
        """What may be done to it now."""
        return job_verbs(self.state)


@dataclass(frozen=True, slots=True)
class Page:
    """
    Some of a queue's jobs in one state.

    Attributes:
        rows: The jobs.
        total: All jobs in that state, and in the time that the filter names; whatever else it asks.
        searched: Jobs that were compared with the filter.
        after: Position where the next page starts; null on the last page.
        oldest_first: Whether the job that is due first comes first; if not, the one that died or
            ended last does.
        unreadable: What of the queue cannot be read, and why; empty if all can.
    """

    rows: list[Row]
    total: int
    searched: int
    after: str | None
    oldest_first: bool
    unreadable: str = ""


async def list_jobs(
    redis: Redis,
    queue: str,
    state: JobState,
    catalog: Catalog,
    *,
    where: Filter | None = None,
    after: str | None = None,
    limit: int = PAGE,
    for_s: float = _SEARCHED_FOR_S,
    sort: Sort | None = None,
    with_suspects: bool = True,
) -> Page:
    """
    List the next *limit* jobs of *queue* in *state* that fit *where*.

    Those due first come first; of dead and done jobs, the last ones; or as *sort* says. for_s: how
    long it may search. with_suspects: begin with those that wait apart.

    Raises:
        ConfigurationError: *after* is from no page, or jobs in *state* cannot be listed.
    """
    where, redis = where or Filter(), at(redis, queue)
    if state is JobState.RUNNING:
        return await _running_page(redis, queue, catalog, where, limit, sort, after)
    window = await Window.of(
        redis, queue, state, until_now=False, sort=sort, since=where.since, until=where.until
    )
    position = Position.read(after) if after else None
    rows: list[Row] = []
    searched, until = 0, clock.monotonic() + for_s
    step, sieve = _STEP_BY_ERROR if where.error or where.like else _STEP, Sieve(where, state)
    if where.is_empty:
        step = limit + 1
    reader = _Reader(redis, queue, state, catalog, where)
    # There are few, and they are due before nearly all others: they stand on the first page.
    apart = [] if position or not with_suspects else await window.suspects(max(1, limit // 2))
    rows += [row for row, _ in await reader.rows(apart)]

    def page(after: Position | None) -> Page:
        next_one = None if after is None else str(after)
        problem = window.unreadable or reader.unreadable
        # Jobs that came while it was searched count, too.
        total = max(window.total, searched)
        return Page(rows, total, searched, next_one, window.ascending, problem)

    while True:
        found = await window.read(position, step)
        likely = await sieve.sift(redis, found)
        for batch in _batches(likely, max(limit, PAGE)):
            for row, place in await reader.rows(batch):
                rows.append(row)
                if len(rows) == limit:
                    looked_at = found.index(place) + 1
                    searched += looked_at
                    more = looked_at < len(found) or await window.read(place, 1)
                    return page(place if more else None)
        searched += len(found)
        if len(found) < step:
            return page(None)
        position = found[-1]
        if searched >= _SEARCHED or clock.monotonic() >= until:
            return page(position)


async def matching(
    redis: Redis, queue: str, state: JobState, catalog: Catalog, where: Filter
) -> AsyncIterator[list[bytes]]:
    """
    Keys of all jobs that fit and were in *state* at the start, piece by piece.

    With a filter it reads all jobs in that state: too long for a page.
    """
    redis = at(redis, queue)
    if state is JobState.RUNNING:
        page = await _running_page(redis, queue, catalog, where, _RUNNING_AT_MOST)
        yield [row.key for row in page.rows]
        return
    window = await Window.of(redis, queue, state, since=where.since, until=where.until)
    position: Position | None = None
    sieve, reader = Sieve(where, state), _Reader(redis, queue, state, catalog, where)
    for apart in _batches(await window.suspects(_SEARCHED), _STEP):
        yield [row.key for row, _ in await reader.rows(apart)]
    while True:
        found = await window.read(position, _STEP)
        if where.is_empty and state is not JobState.SCHEDULED:
            yield [one.member for one in found]
        else:
            likely = await sieve.sift(redis, found)
            yield [row.key for row, _ in await reader.rows(likely)]
        if len(found) < _STEP:
            return
        position = found[-1]


def _batches(jobs: Sequence[Position], size: int) -> Iterator[Sequence[Position]]:
    """A page may need only the first of them."""
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]


@dataclass(slots=True)
class _Reader:
    """
    Reads jobs, as far as they are in *state* and fit *where*.

    unreadable: what of the queue could not be read.
    """

    redis: Redis
    queue: str
    state: JobState
    catalog: Catalog
    where: Filter
    unreadable: str = ""

    async def rows(self, jobs: Sequence[Position]) -> list[tuple[Row, Position]]:
        """Read *jobs* in two round trips at most; those that have moved on are left out."""
        if not jobs:
            return []
        state, own = self.state, keys.of(self.redis)
        key = own.queue_key(self.queue)
        members = [one.member for one in jobs]
        nothing = [None] * len(members)
        of_queue = Reader()
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.mget([own.retry_prefix.encode() + member for member in members])
            pipe.mget([own.in_progress_prefix.encode() + member for member in members])
            pipe.hmget(key + keys.RUNNING_SUFFIX, cast("list[str]", members))
            pipe.hmget(key + keys.UNKNOWN_SUFFIX, cast("list[str]", members))
            pipe.hmget(key + keys.CRASHES_SUFFIX, cast("list[str]", members))
            pipe.zmscore(key + keys.RETRYING_SUFFIX, cast("list[str]", members))
            pipe.hmget(key + keys.DIED_SUFFIX, cast("list[str]", members))
            pipe.hmget(key + keys.AHEAD_SUFFIX, cast("list[str]", members))
            spent, held, tokens, unknown, crashes, retrying, died, ahead = [
                of_queue.known(one, nothing) for one in await answers(pipe)
            ]
        self.unreadable = self.unreadable or of_queue.unreadable
        is_done, failed = state is JobState.DONE, state in {JobState.DEAD, JobState.RETRYING}
        found = await look(
            self.redis,
            strings=[own.job_prefix.encode() + member for member in members]
            + [own.result_prefix.encode() + member for member in members if is_done],
            lists=[own.history_prefix.encode() + member for member in members if failed],
            limits=LIMITS,
        )
        bodies, others = found[: len(jobs)], found[len(jobs) :] or nothing
        rows = []
        for place, one in enumerate(jobs):
            if is_done:
                # Enqueued again under its id, or dead since, it stands elsewhere.
                if bodies[place] is None and died[place] is None:
                    row = self._done_row(one, others[place])
                    if _fits(row, self.where):
                        rows.append((row, one))
                continue
            # Running jobs are in the sorted set of the queue, too, and so are retrying ones.
            if state is JobState.SCHEDULED:
                is_there = tokens[place] is None and retrying[place] is None
            else:
                is_there = state is JobState.DEAD or (tokens[place] is None and held[place] is None)
            if not is_there:
                continue
            reader, member = Reader(), one.member
            last = reader.fields(own.history_prefix.encode() + member, last_of(others[place]))
            row = _row(
                reader,
                own,
                member,
                bodies[place],
                queue=self.queue,
                state=state,
                catalog=self.catalog,
                at=reader.moment(key, due_of(one.score, ahead[place])),
                attempts=reader.count(own.retry_prefix.encode() + member, spent[place]),
                crashes=crash_count(crashes[place]),
                unknown=unknown[place] is not None,
                error=last.text("error"),
                message=last.text("message", most=_MESSAGE),
                place=str(one),
            )
            if _fits(row, self.where):
                rows.append((row, one))
        return rows

    def _done_row(self, one: Position, found: object) -> Row:
        reader, own = Reader(), keys.of(self.redis)
        is_foreign = is_pickled(found)
        key = own.result_prefix.encode() + one.member
        result = reader.fields(key, None if is_foreign else found)
        succeeded = None if found is None else is_foreign or result.flag("s")
        failed = result.inner("r") if succeeded is False else None
        name, args, kwargs = result.text("f", most=_NAME), result.items("a"), result.value("k")
        started, ended = result.moment("st"), result.moment("ft")
        return Row(
            job_id=shown_id(one.member),
            queue=self.queue,
            state=JobState.DONE,
            name=name or None,
            arguments=self.catalog.arguments(
                name,
                args,
                kwargs if isinstance(kwargs, dict) else {},
                inputs=result.value("in"),
                most=_ARGUMENTS,
            ),
            enqueued_at=result.moment("et"),
            at=reader.moment(own.queue_key(self.queue) + keys.DONE_SUFFIX, one.score),
            attempts_made=result.whole("t") or 0,
            crashes=0,
            unknown=False,
            worker=result.text("w") or None,
            progress=None,
            succeeded=None if reader.unreadable else succeeded,
            ran_s=(ended - started).total_seconds() if started and ended else None,
            error="" if failed is None else failed.text("error"),
            message="" if failed is None else failed.text("message", most=_MESSAGE),
            unreadable=reader.unreadable,
            key=one.member,
            place=str(one),
        )


def _fits(row: Row, where: Filter) -> bool:
    return where.fits(
        name=row.name,
        job_id=row.job_id,
        arguments=row.arguments,
        error=row.error,
        message=row.message,
        at=row.at,
    )


def _row(
    reader: Reader,
    own: Keys,
    member: bytes,
    body: object,
    *,
    queue: str,
    state: JobState,
    catalog: Catalog,
    at: datetime | None,
    attempts: int,
    crashes: int = 0,
    unknown: bool = False,
    worker: str | None = None,
    progress: Progress | None = None,
    error: str = "",
    message: str = "",
    place: str = "",
) -> Row:
    envelope = reader.body(own.job_prefix.encode() + member, body)
    arguments: dict[str, Any] = {}
    if envelope is not None:
        name, args, kwargs = envelope.name, envelope.args, envelope.kwargs
        arguments = catalog.arguments(name, args, kwargs, inputs=envelope.inputs, most=_ARGUMENTS)
    return Row(
        job_id=shown_id(member),
        queue=queue,
        state=state,
        name=cut(envelope.name, _NAME) if envelope else None,
        arguments=arguments,
        enqueued_at=moment(envelope.enqueued_ms) if envelope and envelope.enqueued_ms else None,
        at=at,
        attempts_made=attempts_made(state, attempts),
        crashes=crashes,
        unknown=unknown,
        worker=worker,
        progress=progress,
        succeeded=None,
        ran_s=None,
        error=error,
        message=message,
        unreadable=reader.unreadable,
        key=member,
        place=place,
    )


async def _running_page(  # noqa: PLR0917 -- as the list was asked for
    redis: Redis,
    queue: str,
    catalog: Catalog,
    where: Filter,
    limit: int,
    sort: Sort | None = None,
    after: str | None = None,
) -> Page:
    """Read all running jobs, up to a bound: there are no more than slots."""
    key = keys.of(redis).queue_key(queue) + keys.RUNNING_SUFFIX
    of_queue = Reader()
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hlen(key)
        [counted] = await answers(pipe)
    total = of_queue.known(counted, 0)
    held: list[tuple[bytes, bytes]] = []
    if total:
        async for pair in redis.hscan_iter(key, count=_STEP):
            held.append(pair)
            if len(held) == _RUNNING_AT_MOST:
                break
    bodies: list[object] = []
    for chunk in chunks(held):
        names = [keys.of(redis).job_prefix.encode() + member for member, _ in chunk]
        bodies += await look(redis, strings=names, limits=LIMITS)
    started = await started_by_job(redis, queue)
    rows = []
    for (member, token), body in zip(held, bodies, strict=True):
        running = started.get(shown_id(member))
        row = _row(
            Reader(),
            keys.of(redis),
            member,
            body,
            queue=queue,
            state=JobState.RUNNING,
            catalog=catalog,
            at=running.started_at if running else None,
            attempts=running.attempt - 1 if running else 0,
            progress=running.progress if running else None,
            worker=worker_of(shown_id(token)),
            place=str(_began(running.started_at if running else None, member)),
        )
        if _fits(row, where):
            rows.append(row)
    newest_first = is_newest_first(JobState.RUNNING, sort)
    rows.sort(key=lambda row: _began(row.at, row.key), reverse=newest_first)
    if after:
        rows = [row for row in rows if _comes_after(row, Position.read(after), newest_first)]
    return Page(
        rows[:limit],
        max(total, len(held)),
        len(held),
        rows[limit - 1].place if len(rows) > limit else None,
        oldest_first=not newest_first,
        unreadable=of_queue.unreadable,
    )


def _began(at: datetime | None, member: bytes) -> Position:
    """The place of a running job among others: in no set of Redis, but by when it started."""
    return Position((at or NEVER).timestamp(), member)


def _comes_after(row: Row, place: Position, newest_first: bool) -> bool:  # noqa: FBT001 -- as sorted
    mine, other = _began(row.at, row.key), place._replace(is_before=False)
    if mine == other:
        return place.is_before
    return (mine < other) is newest_first


async def started_by_job(redis: Redis, queue: str) -> dict[str, RunningJob]:
    """Each running attempt, by job id, from the last heartbeats."""
    return {job.job_id: job for worker in await workers_of(redis, queue) for job in worker.running}
