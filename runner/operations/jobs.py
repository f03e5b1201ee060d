"""
A queue's jobs by state, page by page, filtered.

A page starts after a position, the score and id of the last job that was shown, so that jobs
which come and go meanwhile neither repeat nor hide others. A filter looks at jobs for a bounded
time for each page and says at how many of how many; the next page goes on from there.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

from pydantic import Field
from pydantic_core import from_json, to_json

from runner.broker import keys
from runner.broker.scripts import LAST_ENTRIES
from runner.codec import Envelope, decode_job
from runner.errors import CodecError, ConfigurationError
from runner.handle import JobState
from runner.operations.job_ids import shown_id
from runner.operations.verbs import job_verbs
from runner.telemetry.redaction import REDACTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.verbs import JobVerb

LISTED = (JobState.READY, JobState.SCHEDULED, JobState.RETRYING, JobState.RUNNING, JobState.DEAD)
"""States whose jobs can be listed; done ones stand in no queue."""

PAGE = 50
_SEARCHED = 20_000
_SEARCHED_FOR_S = 0.04
"""A page is searched for so long, and then goes on where somebody asks for it."""

_STEP = 1_000
"""Looked at in one round trip."""

_STEP_BY_ERROR = 500
"""Fewer: each of them has a list of its own to be read."""

_RUNNING_AT_MOST = 5_000

_ESCAPE = b"\\"
_BY_NAME_ONLY = b'"a":[]'
_JOB = keys.JOB_PREFIX.encode()

NEVER = datetime.max.replace(tzinfo=UTC)
"""Where what has no time is put in order: last."""


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Which jobs: all that is given must fit.

    name: the job's, exactly. job_id: a part of the id. text: a part of the arguments as they are
    shown, so that nobody can guess at a secret. error: a part of the last error or its message.
    """

    name: str = ""
    job_id: str = ""
    text: str = ""
    error: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether every job fits."""
        return not (self.name or self.job_id or self.text or self.error)


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
        at: When the job is due; when it was claimed, if it runs; when it died, if it is dead.
        attempts: Attempts that it has spent.
        crashes: Times that a worker crashed while it ran.
        unknown: Whether it is put off because no worker knew its name.
        worker: Id of the worker that runs it; null if it does not run.
        error: Type of the last attempt's error.
        message: Message of the last attempt's error.
        key: Id of the job in Redis.
    """

    job_id: str
    queue: str
    state: JobState
    name: str | None
    arguments: dict[str, Any]
    enqueued_at: datetime | None
    at: datetime | None
    attempts: int
    crashes: int
    unknown: bool
    worker: str | None
    error: str
    message: str
    key: Annotated[bytes, Field(exclude=True)] = field(repr=False)

    @property
    def verbs(self) -> list[JobVerb]:
        """What may be done to it where it stands."""
        return job_verbs(self.state)


@dataclass(frozen=True, slots=True)
class Page:
    """
    Some of a queue's jobs in one state.

    Attributes:
        rows: The jobs.
        total: All jobs in that state, whatever the filter.
        searched: Jobs that were compared with the filter.
        after: Position where the next page starts; null on the last page.
        oldest_first: Whether the job that is due first comes first; if not, the one that died last
            does.
    """

    rows: list[Row]
    total: int
    searched: int
    after: str | None
    oldest_first: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a sorted set: just after, in the order of reading, this score and member."""

    score: float
    member: bytes

    def __str__(self) -> str:
        raw = f"{self.score!r}|".encode() + self.member
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Position:
        """
        Read what `str` gave.

        Raises:
            ConfigurationError: It is none of ours.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            score, _, member = raw.partition(b"|")
            return cls(float(score), member)
        except (binascii.Error, ValueError):
            raise ConfigurationError("that place in the list is none; start from the top") from None


async def list_jobs(
    redis: Redis,
    queue: str,
    state: JobState,
    catalog: Catalog,
    *,
    where: Filter | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Page:
    """
    The next *limit* jobs of *queue* in *state* that fit *where*: due first, the latest dead first.

    Raises:
        ConfigurationError: *after* is none that a page gave, or *state* cannot be listed.
    """
    where = where or Filter()
    if state is JobState.RUNNING:
        return await _running_page(redis, queue, catalog, where, limit)
    window = await Window.of(redis, queue, state)
    position = Position.read(after) if after else None
    rows: list[Row] = []
    searched, until = 0, time.monotonic() + _SEARCHED_FOR_S
    step, sieve = _STEP_BY_ERROR if where.error else _STEP, Sieve(where)
    if where.is_empty:
        step = limit + 1
    while True:
        looked = await window.look(position, step, sieve)
        for batch in _batches(looked.likely, max(limit, PAGE)):
            for one in await _rows(redis, queue, state, catalog, batch):
                if not (one.is_there and _fits(one.row, where)):
                    continue
                rows.append(one.row)
                if len(rows) == limit:
                    last = one.likely
                    searched += last.place
                    more = last.place < looked.count or await window.has_more(last.position)
                    return window.page(rows, searched, last.position if more else None)
        searched, position = searched + looked.count, looked.last
        if looked.count < step:
            return window.page(rows, searched, None)
        if searched >= _SEARCHED or time.monotonic() >= until:
            return window.page(rows, searched, position)


async def matching(
    redis: Redis, queue: str, state: JobState, catalog: Catalog, where: Filter
) -> AsyncIterator[list[bytes]]:
    """
    Keys of all jobs in *state* that fit, chunk by chunk, as far as they stood there at the start.

    Reads the whole state where there is a filter: not for a page's path.
    """
    if state is JobState.RUNNING:
        page = await _running_page(redis, queue, catalog, where, _RUNNING_AT_MOST)
        yield [row.key for row in page.rows]
        return
    window = await Window.of(redis, queue, state)
    position: Position | None = None
    sieve = Sieve(where)
    while True:
        looked = await window.look(position, _STEP, sieve)
        position = looked.last
        if where.is_empty and state is not JobState.SCHEDULED:
            yield [one.member for one in looked.likely]
        else:
            found = await _rows(redis, queue, state, catalog, looked.likely)
            yield [one.row.key for one in found if one.is_there and _fits(one.row, where)]
        if looked.count < _STEP:
            return


class Likely(NamedTuple):
    """A job that may fit a filter. place: its number, from 1, among those that were looked at."""

    place: int
    member: bytes
    score: float

    @property
    def position(self) -> Position:
        """Its place in the sorted set."""
        return Position(self.score, self.member)


@dataclass(frozen=True, slots=True)
class Looked:
    """So many jobs were looked at, in order, up to *last*, and these may fit the filter."""

    count: int
    last: Position | None
    likely: list[Likely]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a sorted set that holds one state's jobs, as it is read."""

    redis: Redis
    key: str
    low: float
    high: float
    total: int
    ascending: bool

    @classmethod
    async def of(cls, redis: Redis, queue: str, state: JobState) -> Window:
        """Look where the jobs of *state* stand now."""
        key = keys.queue_key(queue)
        seconds, micros = await redis.time()
        now = seconds * 1000 + micros / 1000
        match state:
            case JobState.READY:
                name, low, high = key, float("-inf"), now
            case JobState.SCHEDULED:
                name, low, high = key, _after(now), float("inf")
            case JobState.RETRYING:
                name, low, high = key + keys.RETRYING_SUFFIX, _after(now), float("inf")
            case JobState.DEAD:
                # What dies meanwhile is not among those that somebody has seen.
                name, low, high = key + keys.DEAD_SUFFIX, float("-inf"), float(seconds * 1000 + 999)
            case _:
                listed = ", ".join(LISTED)
                raise ConfigurationError(f"jobs that are {state} cannot be listed; {listed} can")
        total = await redis.zcount(name, low, high)
        if state is JobState.SCHEDULED:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.hlen(key + keys.RUNNING_SUFFIX)
                pipe.zcount(key + keys.RETRYING_SUFFIX, low, high)
                total = max(0, total - sum(await pipe.execute()))
        return cls(redis, name, low, high, total, state is not JobState.DEAD)

    async def look(self, after: Position | None, most: int, sieve: Sieve) -> Looked:
        """Look at *most* jobs from just after *after* on; fewer than that are the last ones."""
        chunk = await self._chunk(after, most)
        likely = [Likely(place, *one) for place, one in enumerate(chunk, 1)]
        last = likely[-1].position if likely else after
        return Looked(len(chunk), last, await sieve.sift(self.redis, likely))

    async def _chunk(self, after: Position | None, size: int) -> list[tuple[bytes, float]]:
        start = await self._rank(after)
        if self.ascending:
            found = await self.redis.zrange(self.key, start, start + size - 1, withscores=True)
            return [(member, score) for member, score in found if score <= self.high]
        if not start:
            return []
        found = await self.redis.zrange(self.key, max(0, start - size), start - 1, withscores=True)
        return [(member, score) for member, score in reversed(found)]

    async def _rank(self, after: Position | None) -> int:
        """How many members stand before *after*, itself included where reading goes upwards."""
        if after is None:
            end = f"({self.low!r}" if self.ascending else self.high
            return int(await self.redis.zcount(self.key, "-inf", end))
        score = repr(after.score)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zscore(self.key, cast("str", after.member))
            pipe.zrank(self.key, after.member)
            pipe.zcount(self.key, "-inf", f"({score}")
            pipe.zcount(self.key, score, score)
            found, rank, low, of_this_score = await pipe.execute()
        if found == after.score:
            return int(rank + 1 if self.ascending else rank)
        high = low + of_this_score
        while low < high:  # members of one score stand in the order of their bytes
            middle = (low + high) // 2
            (member,) = await self.redis.zrange(self.key, middle, middle) or (after.member,)
            if member < after.member:
                low = middle + 1
            else:
                high = middle
        return int(low)

    async def has_more(self, after: Position) -> bool:
        """Whether a job stands after that place."""
        return await self._chunk(after, 1) != []

    def page(self, rows: list[Row], searched: int, after: Position | None) -> Page:
        """Make a page of these rows, of which the next one starts just after *after*."""
        return Page(
            rows, self.total, searched, None if after is None else str(after), self.ascending
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A row with what a filter asks for. is_there: whether it is in that state after all."""

    row: Row
    likely: Likely
    is_there: bool


def _after(moment: float) -> float:
    """The least score later than *moment*, as scores are written with four digits."""
    return moment + 0.0001


def _batches(likely: Sequence[Likely], size: int) -> Iterator[Sequence[Likely]]:
    for start in range(0, len(likely), size):
        yield likely[start : start + size]


class Sieve:
    """
    Tells by their bytes which jobs may fit a filter: reading a job in full costs far more.

    It errs on the side of yes: text that JSON may write in several ways, or that a page adds.
    """

    def __init__(self, where: Filter) -> None:
        # A page shows bytes that are no text by their numbers, and says what it hides.
        self._id = b"" if "\\" in where.job_id else _plain(where.job_id)
        self._text = b"" if where.text.lower() in REDACTED else _plain(where.text)
        self._name = where.name.encode("utf-8", "backslashreplace")
        self._error = _plain(where.error.rpartition(":")[2].strip())

    async def sift(self, redis: Redis, jobs: list[Likely]) -> list[Likely]:
        """Those of *jobs* that may fit, in two round trips at most."""
        if self._id:
            part = self._id
            jobs = [one for one in jobs if part in one.member.lower()]
        if jobs and (self._name or self._text):
            bodies = await redis.mget([_JOB + one.member for one in jobs])
            fits = self._body_may_fit
            jobs = [one for one, body in zip(jobs, bodies, strict=True) if body and fits(body)]
        if jobs and self._error:
            entries = await _last_entries(redis, [one.member for one in jobs])
            jobs = [
                one
                for one, entry in zip(jobs, entries, strict=True)
                if entry and self._error_may_fit(entry)
            ]
        return jobs

    def _body_may_fit(self, body: bytes) -> bool:
        if _ESCAPE in body:
            return True
        if self._name and self._name not in body:
            return False
        # Arguments by position get their names on the page only.
        return not self._text or _BY_NAME_ONLY not in body or self._text in body.lower()

    def _error_may_fit(self, entry: bytes) -> bool:
        """Error and message stand before the traceback, which is full of line breaks."""
        head = entry.partition(b'"traceback"')[0]
        return _ESCAPE in head or self._error in head.lower()


async def _last_entries(redis: Redis, members: Sequence[bytes]) -> list[bytes | None]:
    """Of each job's history, in one call."""
    names = [keys.HISTORY_PREFIX.encode() + member for member in members]
    found: list[bytes | None] = await redis.eval(LAST_ENTRIES, len(names), *names)  # type: ignore[misc,arg-type]
    return found


def _plain(text: str) -> bytes:
    """The longest part of *text* that JSON writes as it is; empty fits everything."""
    parts = re.split(r"[^0-9a-z_./@-]+", text.lower())
    return max(parts, key=len).encode()


async def _rows(
    redis: Redis,
    queue: str,
    state: JobState,
    catalog: Catalog,
    likely: Sequence[Likely],
) -> list[_Found]:
    """Read these jobs in one round trip."""
    if not likely:
        return []
    key = keys.queue_key(queue)
    members = [one.member for one in likely]
    async with redis.pipeline(transaction=False) as pipe:
        pipe.mget([_JOB + member for member in members])
        pipe.mget([keys.RETRY_PREFIX.encode() + member for member in members])
        pipe.mget([keys.IN_PROGRESS_PREFIX.encode() + member for member in members])
        pipe.hmget(key + keys.RUNNING_SUFFIX, cast("list[str]", members))
        pipe.hmget(key + keys.UNKNOWN_SUFFIX, cast("list[str]", members))
        pipe.hmget(key + keys.CRASHES_SUFFIX, cast("list[str]", members))
        pipe.zmscore(key + keys.RETRYING_SUFFIX, cast("list[str]", members))
        bodies, spent, held, tokens, unknown, crashes, retrying = await pipe.execute()
    failed = state in {JobState.DEAD, JobState.RETRYING}
    entries = await _last_entries(redis, members) if failed else None
    found = []
    for place, (one, member) in enumerate(zip(likely, members, strict=True)):
        if state is JobState.SCHEDULED:
            is_there = tokens[place] is None and retrying[place] is None
        else:
            is_there = state is JobState.DEAD or (tokens[place] is None and held[place] is None)
        last = last_entry(entries[place] if entries else None)
        row = _row(member, queue, state, catalog, bodies[place])
        found.append(
            _Found(
                Row(
                    **row,
                    at=moment(one.score),
                    attempts=counter(spent[place]),
                    crashes=counter(crashes[place]),
                    unknown=unknown[place] is not None,
                    worker=None,
                    error=str(last.get("error", "")),
                    message=str(last.get("message", "")),
                ),
                one,
                is_there,
            )
        )
    return found


def _row(
    member: bytes, queue: str, state: JobState, catalog: Catalog, body: bytes | None
) -> dict[str, Any]:
    envelope = readable(body)
    return {
        "job_id": shown_id(member),
        "queue": queue,
        "state": state,
        "name": envelope and envelope.name,
        "arguments": {}
        if envelope is None
        else catalog.arguments(envelope.name, envelope.args, envelope.kwargs),
        "enqueued_at": envelope and moment(envelope.enqueued_ms),
        "key": member,
    }


async def _running_page(
    redis: Redis, queue: str, catalog: Catalog, where: Filter, limit: int
) -> Page:
    """Running jobs are as many as there are slots: all are read, up to a bound."""
    key = keys.queue_key(queue) + keys.RUNNING_SUFFIX
    total = await redis.hlen(key)  # type: ignore[misc]
    held: list[tuple[bytes, bytes]] = []
    async for pair in redis.hscan_iter(key, count=_STEP):
        held.append(pair)
        if len(held) == _RUNNING_AT_MOST:
            break
    if not held:
        return Page([], total, 0, None, oldest_first=True)
    bodies = await redis.mget([keys.JOB_PREFIX.encode() + member for member, _ in held])
    started = await started_by_job(redis, queue)
    rows = []
    for (member, token), body in zip(held, bodies, strict=True):
        fields = _row(member, queue, JobState.RUNNING, catalog, body)
        at, attempt = started.get(fields["job_id"], (None, 1))
        row = Row(
            **fields,
            at=at,
            attempts=attempt - 1,
            crashes=0,
            unknown=False,
            worker=token.decode("utf-8", "replace").rpartition(":")[0],
            error="",
            message="",
        )
        if _fits(row, where):
            rows.append(row)
    rows.sort(key=lambda row: row.at or NEVER)
    return Page(rows[:limit], total, len(held), None, oldest_first=True)


async def started_by_job(redis: Redis, queue: str) -> dict[str, tuple[datetime | None, int]]:
    """When the attempts that run now started, and which they are, as the last heartbeats say."""
    ids = await redis.zrange(keys.queue_key(queue) + keys.WORKERS_SUFFIX, 0, -1)
    if not ids:
        return {}
    entries = await redis.mget([keys.WORKER_PREFIX.encode() + worker_id for worker_id in ids])
    running = [one for entry in entries for one in listed(last_entry(entry).get("running"))]
    return {
        str(job.get("id")): (moment(job.get("started_ms")), whole(job.get("attempt")) or 1)
        for job in running
        if isinstance(job, dict)
    }


def _fits(row: Row, where: Filter) -> bool:
    if where.name and row.name != where.name:
        return False
    if where.job_id and where.job_id.lower() not in row.job_id.lower():
        return False
    if where.error:
        told = f"{row.error}: {row.message}".lower()
        if where.error.lower() not in told:
            return False
    if not where.text:
        return True
    written, text = to_json(row.arguments).decode().lower(), where.text.lower()
    return text in written or text in written.replace('\\"', '"').replace("\\\\", "\\")


def readable(body: bytes | None) -> Envelope | None:
    """The job in *body*, or None if there is none that can be read."""
    try:
        return decode_job(body or b"")
    except CodecError:
        return None


def last_entry(entry: bytes | None) -> dict[str, Any]:
    """One entry of a job's history; whoever wrote it."""
    try:
        fields = from_json(entry) if entry else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def moment(ms: float | None) -> datetime | None:
    """A time of Redis's, in Unix ms, as an aware one; None where the calendar has none."""
    try:
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError, TypeError):
        return None


def whole(value: object) -> int | None:
    """A whole number, as whoever wrote it said it; None where it is none."""
    return value if isinstance(value, int) else None


def counter(value: bytes | None) -> int:
    """A counter of Redis as a number; 0 where it is none."""
    return int(value) if value is not None and value.isdigit() else 0


def listed(value: object) -> list[Any]:
    """A list likewise; an empty one where it is none."""
    return value if isinstance(value, list) else []


def lines(value: object) -> tuple[str, ...]:
    """A list of texts likewise."""
    return tuple(map(str, listed(value)))
