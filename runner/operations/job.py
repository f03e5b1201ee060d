"""One job in full: its state, arguments, attempts, result and holder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any, cast

from runner.broker import keys
from runner.broker.reading import (
    Cut,
    Entries,
    Fields,
    Reader,
    Unreadable,
    answers,
    crash_count,
    cut,
    keys_of,
    looked_at,
    moment,
    number_of,
    seen,
    shown_id,
)
from runner.broker.scripts import LOOK
from runner.broker.scripts.fields import LookHead
from runner.broker.servers import at, by_server
from runner.codec import EXPIRED
from runner.context import Progress  # noqa: TC001 -- the API's schema reads it
from runner.errors import ConfigurationError
from runner.operations.head_start import due_of, head_start_s
from runner.operations.processes import RunningJob, workers_of
from runner.operations.verbs import job_verbs
from runner.redaction import scrubbed
from runner.states import JobState
from runner.worker.claim import worker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.keys import Keys
    from runner.codec import Envelope
    from runner.operations.catalog import Catalog
    from runner.operations.verbs import JobVerb

_MOST_ATTEMPTS = 100
_LIMITS = LookHead(each=16 << 20, all=34 << 20, entries=_MOST_ATTEMPTS, start=4_000)
"""How much of one job is read: its body, its result, and a few megabytes of its history."""

_KEY = re.compile(rb"[0-9a-f]{1,64}")
_RULE = re.compile(r"(\d{1,9})(x?)(s?[\d./]*)\|(.+)", re.DOTALL)
_RAW_CHARACTERS = 2_000
_NAME = 200
_MESSAGE = 10_000
_TRACEBACK = 50_000
_ALL_TRACEBACKS = 500_000
"""Characters of tracebacks and lines of all attempts together: the last ones are in full."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """
    One finished attempt.

    Attributes:
        number: Number of the attempt, from 1; null if it never ran: the job was buried by hand.
        started_at: When it started.
        ended_at: When it ended.
        worker: Id of the worker that ran it.
        error: Type of its error; empty if it succeeded.
        message: Message of its error.
        traceback: Traceback of its error.
        lines: The last lines that it logged.
    """

    number: int | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str
    error: str
    message: str
    traceback: str
    lines: tuple[str, ...]

    @property
    def duration_s(self) -> float | None:
        """How long it ran."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class UniqueView:
    """
    A job's unique key.

    Attributes:
        key: The key, a digest.
        holder: Id of the job that holds it; null if none does.
        holder_queue: Queue of that job.
        next: Id of the job that comes next; null if none waits.
        over: Whether its job is done, and the key is still held for a while.
    """

    key: str
    holder: str | None
    holder_queue: str | None
    next: str | None
    over: bool


@dataclass(frozen=True, slots=True)
class LaneView:
    """
    A job's lane.

    Attributes:
        lane: Name of the lane.
        inside: How many of its jobs stand in the queue or run.
        waiting: How many wait for a place.
        limit: How many may be inside.
        ahead: How many that wait come before this job; null if it does not wait.
        until: Whether a job is inside until it is "done", or has "started".
        is_dropped: Whether another job took its place: the next worker that claims it ends it.
        every_s: Seconds between two starts, of one unit each; null if it has no rate.
        used_until: Until when its tokens are used up; null if it has no rate, or they are not.
    """

    lane: str
    inside: int
    waiting: int
    limit: int
    ahead: int | None
    until: str = "done"
    is_dropped: bool = False
    every_s: float | None = None
    used_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    r"""
    One job.

    Attributes:
        job_id: Id of the job; bytes that are not UTF-8 are written as `\xff`.
        queue: Queue of the job.
        state: State of the job.
        name: Name of the job; null if its body cannot be read.
        arguments: Arguments by name, without secrets, long ones cut.
        enqueued_at: When the job was enqueued.
        due_at: When the job is due, or was.
        died_at: When the job was put into the dead set.
        ended_at: When the job ended, if it is done.
        attempts_spent: Failed attempts since it was enqueued or retried by hand.
        attempts_made: Attempts since then, the one that runs or ended it well included.
        crashes: Times that a worker crashed while it ran.
        batch_id: Id of the batch that it belongs to.
        trace: W3C trace context of its enqueuing.
        raw: Start of the body, if it cannot be read.
        unknown: Whether it is parked: no worker knew its name or its parameters.
        abort_asked: Whether it was asked to stop.
        attempts: The failed attempts, and the one that ended it.
        holder: Id of the worker that holds it.
        lease_until: When the holder's lease ends.
        running: The attempt that runs.
        succeeded: Whether it succeeded; null until it is done, and once its result is gone.
        result: What it returned, without secrets, long texts cut.
        kept_until: When it is forgotten, if it is done; if it is dead, as a worker of its queue
            says; null if it is kept until somebody acts, or nobody can tell.
        unreadable: What of the job cannot be read, and why; empty if all can.
        unique: Its unique key; null if it has none.
        lane: Its lane; null if it has none.
        deadline_at: When it expires, unless it has ended; null if it has no deadline.
        head_start_s: How many seconds longer a job may have waited that this one comes before once
            it is due; null if it has no priority.
        start_within_s: Within how many seconds of when it is due an attempt has to start; null if
            it may wait.
    """

    job_id: str
    queue: str
    state: JobState
    name: str | None
    arguments: dict[str, Any]
    enqueued_at: datetime | None
    due_at: datetime | None
    died_at: datetime | None
    ended_at: datetime | None
    attempts_spent: int
    attempts_made: int
    crashes: int
    batch_id: str | None
    trace: str | None
    raw: str | None
    unknown: bool
    abort_asked: bool
    attempts: tuple[AttemptView, ...]
    holder: str | None
    lease_until: datetime | None
    running: RunningJob | None
    succeeded: bool | None
    result: Any
    kept_until: datetime | None
    unreadable: str = ""
    unique: UniqueView | None = None
    lane: LaneView | None = None
    deadline_at: datetime | None = None
    start_within_s: float | None = None
    head_start_s: float | None = None

    @property
    def verbs(self) -> list[JobVerb]:
        """What may be done to it now."""
        return job_verbs(self.state)

    @property
    def progress(self) -> Progress | None:
        """How far it has come, if it runs and reports that."""
        return self.running.progress if self.running else None


async def find_queue(redis: Redis, queues: Sequence[str], job_id: str) -> str | None:
    """The queue of a job that waits, runs, is dead, or is done with its result kept."""
    found = [
        await _queue_of(one, names, key)
        for key in keys_of(job_id)
        for one, names in by_server(redis, queues)
    ]
    return next(filter(None, found), None)


async def _queue_of(redis: Redis, queues: Sequence[str], key: bytes) -> str | None:
    names, arguments = looked_at([keys.of(redis).result_prefix.encode() + key], (), _LIMITS)
    reader = Reader()
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            for suffix in keys.PLACES:
                pipe.zscore(keys.of(redis).queue_key(queue) + suffix, cast("str", key))
            pipe.hget(keys.of(redis).queue_key(queue) + keys.DIED_SUFFIX, cast("str", key))
        for queue in queues:
            pipe.zscore(keys.of(redis).queue_key(queue) + keys.DONE_SUFFIX, cast("str", key))
        pipe.eval(LOOK, len(names), *names, *arguments)
        *scores, results = await answers(pipe)
    width, done = len(keys.PLACES) + 1, scores[len(scores) - len(queues) :]
    for place, queue in enumerate(queues):
        of_queue = scores[place * width : (place + 1) * width]
        if any(reader.known(score) is not None for score in of_queue):
            return queue
    [result] = seen(names, results)
    worked_in = reader.fields(names[0], result).text("q")
    if worked_in:
        return keys.of(redis).queue_of(worked_in)
    listed = zip(queues, done, strict=True)
    return next((queue for queue, score in listed if reader.known(score) is not None), None)


async def job(redis: Redis, queue: str, job_id: str, catalog: Catalog) -> JobView | None:
    """The job that is shown by this id; None if nothing of it is in Redis."""
    redis = at(redis, queue)
    for key in keys_of(job_id):
        found = await _found(redis, queue, key)
        places = (found.due_ms, found.parked_ms, found.waiting_ms)
        if found.died is not None and places == (None, None, None):
            # A job that died under an id of its caller's choice goes on under another.
            job_id = shown_id(found.died)
            found = await _found(redis, queue, found.died)
        if found.state() is not JobState.UNKNOWN:
            is_held = found.state() is JobState.RUNNING
            running = await _running(redis, queue, job_id) if is_held else None
            unique = await _unique(redis, found)
            lane = await _lane(redis, queue, found)
            view = _view(queue, job_id, found, running, catalog)
            view = replace(view, unique=unique, lane=lane)
            return view if view.died_at is None else await _with_age(redis, view)
    return None


async def _found(redis: Redis, queue: str, member: bytes) -> _Found:
    own = keys.of(redis)
    key, name = own.queue_key(queue), cast("str", member)  # redis-py's hints do not know bytes
    prefixes = (own.job_prefix, own.result_prefix, own.retry_prefix, own.history_prefix)
    body, result, spent, history = (prefix.encode() + member for prefix in prefixes)
    names, arguments = looked_at([body, result, spent], [history], _LIMITS)
    reader = Reader()
    async with redis.pipeline(transaction=True) as pipe:
        pipe.time()
        pipe.zscore(key, name)
        pipe.zscore(key + keys.SUSPECTS_SUFFIX, name)
        pipe.zscore(key + keys.DEAD_SUFFIX, name)
        pipe.zscore(key + keys.DONE_SUFFIX, name)
        pipe.zscore(key + keys.RETRYING_SUFFIX, name)
        pipe.zscore(key + keys.PARKED_SUFFIX, name)
        pipe.zscore(key + keys.WAITING_SUFFIX, name)
        pipe.hget(key + keys.UNIQUE_SUFFIX, name)
        pipe.hget(key + keys.LANED_SUFFIX, name)
        pipe.hget(key + keys.AHEAD_SUFFIX, name)
        pipe.hget(key + keys.RUNNING_SUFFIX, name)
        pipe.pttl(own.in_progress_prefix.encode() + member)
        pipe.hget(key + keys.UNKNOWN_SUFFIX, name)
        pipe.hget(key + keys.DIED_SUFFIX, name)
        pipe.hget(key + keys.CRASHES_SUFFIX, name)
        pipe.pttl(own.result_prefix.encode() + member)
        pipe.zscore(own.abort, name)
        pipe.eval(LOOK, len(names), *names, *arguments)
        *plain, looked = await answers(pipe)
    return _Found(member, reader, own, *map(reader.known, plain), *seen(names, looked))


async def _with_age(redis: Redis, view: JobView) -> JobView:
    """Return a dead job with when it is trimmed: who keeps them shortest trims first."""
    ages = [one.dead_max_age_s for one in await workers_of(redis, view.queue) if one.dead_max_age_s]
    if not ages or view.died_at is None or view.state is not JobState.DEAD:
        return view
    return replace(view, kept_until=moment(view.died_at.timestamp() * 1000 + min(ages) * 1000))


@dataclass(frozen=True, slots=True)
class _Found:
    """What Redis holds of one job, read in one transaction."""

    member: bytes
    reader: Reader
    own: Keys
    time: tuple[int, int]
    queued_ms: float | None
    suspect_ms: float | None
    died_ms: float | None
    done_ms: float | None
    retry_ms: float | None
    parked_ms: float | None
    waiting_ms: float | None
    unique: bytes | None
    laned: bytes | None
    ahead: bytes | None
    token: bytes | None
    lease_ms: int
    unknown: bytes | None
    died: bytes | None
    crashes: bytes | None
    kept_ms: int
    abort_ms: float | None
    body: bytes | Cut | Unreadable | None
    result: bytes | Cut | Unreadable | None
    spent: bytes | Cut | Unreadable | None
    history: Entries | Unreadable | None

    @property
    def now_ms(self) -> float:
        return self.time[0] * 1000 + self.time[1] / 1000

    @property
    def due_ms(self) -> float | None:
        return self.suspect_ms if self.queued_ms is None else self.queued_ms

    @property
    def is_held(self) -> bool:
        return self.lease_ms > 0

    def state(self) -> JobState:
        return state_of(
            now_ms=self.now_ms,
            due_ms=self.due_ms,
            is_held=self.token is not None or self.is_held,
            is_retry=self.retry_ms is not None,
            is_parked=self.parked_ms is not None,
            is_behind=self.waiting_ms is not None,
            is_dead=self.died_ms is not None,
            has_ended=self.result is not None or self.done_ms is not None,
        )

    def key(self, prefix: str) -> bytes:
        return prefix.encode() + self.member


def state_of(
    *,
    now_ms: float,
    due_ms: float | None,
    is_held: bool,
    is_retry: bool,
    is_parked: bool,
    is_behind: bool,
    is_dead: bool,
    has_ended: bool,
) -> JobState:
    """Return the state of a job by where it stands; due_ms: None: it is in no queue."""
    if due_ms is not None:
        if is_held:
            return JobState.RUNNING
        if due_ms <= now_ms:
            return JobState.READY
        return JobState.RETRYING if is_retry else JobState.SCHEDULED
    if is_parked or is_behind:
        return JobState.PARKED if is_parked else JobState.WAITING
    if is_dead:
        return JobState.DEAD
    return JobState.DONE if has_ended else JobState.UNKNOWN


async def _unique(redis: Redis, found: _Found) -> UniqueView | None:
    """Who holds the unique key of a job that has one."""
    key, bar, _ = (found.unique or b"").partition(b"|")
    if not bar or not _KEY.fullmatch(key):
        return None
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hmget(found.own.unique_prefix + key.decode(), ["job", "at", "next", "over"])
        [held] = await answers(pipe)
    job_id, at_key, following, over = found.reader.known(held, (None,) * 4)
    return UniqueView(
        key=key.decode(),
        holder=job_id and shown_id(job_id),
        holder_queue=at_key and _queue_named(found.own, at_key),
        next=following and shown_id(following),
        over=over is not None,
    )


async def _lane(redis: Redis, queue: str, found: _Found) -> LaneView | None:
    """Who is inside the lane of a job that has one, and how many wait before it."""
    rule = _RULE.fullmatch((found.laned or b"").decode("utf-8", "backslashreplace"))
    if rule is None:
        return None
    key, lane = found.own.queue_key(queue), rule[4]
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hget(key + keys.LANES_SUFFIX, lane)
        pipe.zcount(key + keys.LANE_SUFFIX + lane, "-inf", "(0")
        pipe.zcard(key + keys.LANE_SUFFIX + lane)
        pipe.zrank(key + keys.LANE_SUFFIX + lane, cast("str", found.member))
        pipe.hget(key + keys.PACED_SUFFIX, lane)
        entry, inside, both, rank, paced = await answers(pipe)
    inside, both = (found.reader.known(one, 0) for one in (inside, both))
    own, _, set_to = (found.reader.known(entry) or b"").partition(b"|")
    limit = next((int(one) for one in (set_to, own) if one.isdigit()), int(rule[1]))
    place = found.reader.known(rank)
    ahead = place - inside if place is not None and place >= inside else None
    until_ms = number_of((found.reader.known(paced) or b"").partition(b"|")[0])
    unit_ms = number_of(rule[3][1:].partition("/")[0])
    return LaneView(
        lane=lane,
        inside=inside,
        waiting=both - inside,
        limit=limit,
        ahead=ahead,
        until="started" if rule[3] else "done",
        is_dropped=bool(rule[2]),
        every_s=unit_ms / 1000 if unit_ms else None,
        used_until=moment(until_ms) if until_ms and until_ms > found.now_ms else None,
    )


def _queue_named(own: Keys, key: bytes) -> str | None:
    """None if it is no queue's: anybody may write anything into Redis."""
    try:
        return own.queue_of(key.decode())
    except (UnicodeDecodeError, ConfigurationError):
        return None


async def _running(redis: Redis, queue: str, job_id: str) -> RunningJob | None:
    for worker in await workers_of(redis, queue):
        for running in worker.running:
            if running.job_id == job_id:
                return running
    return None


def _view(
    queue: str, job_id: str, found: _Found, running: RunningJob | None, catalog: Catalog
) -> JobView:
    state, reader = found.state(), found.reader
    is_done, held = state is JobState.DONE, state is JobState.RUNNING
    envelope = None
    if not (is_done and found.body is None):
        envelope = reader.body(found.key(found.own.job_prefix), found.body)
    result, is_foreign = _result(found)
    name = envelope.name if envelope else result.text("f") or None
    args, kwargs = (envelope.args, envelope.kwargs) if envelope else _arguments(result)
    failed = _history(found)
    has_result = is_done and found.result is not None
    succeeded = is_foreign or result.flag("s") if has_result else None
    last = (_last(result),) if has_result else ()
    returned = _NOT_OURS if is_foreign else result.value("r")
    enqueued_at = moment(envelope.enqueued_ms) if envelope else result.moment("et")
    spent = (
        _charged(failed)
        if is_done
        else reader.count(found.key(found.own.retry_prefix), found.spent)
    )
    return JobView(
        job_id=job_id,
        queue=queue,
        state=state,
        name=_short(name),
        arguments=catalog.arguments(
            name or "", args, kwargs, inputs=envelope.inputs if envelope else result.value("in")
        ),
        enqueued_at=enqueued_at,
        due_at=_due_at(queue, found, result),
        died_at=reader.moment(found.own.queue_key(queue) + keys.DEAD_SUFFIX, found.died_ms),
        ended_at=_ended_at(found, result) if is_done else None,
        attempts_spent=spent,
        attempts_made=spent if last and last[0].number is None else attempts_made(state, spent),
        crashes=crash_count(found.crashes),
        batch_id=_short(envelope.batch_id if envelope else result.text("b") or None),
        trace=_short(envelope.trace if envelope else result.text("tp") or None),
        raw=None if envelope else _raw(found.body),
        unknown=found.unknown is not None,
        abort_asked=found.abort_ms is not None,
        attempts=(*failed, *last),
        holder=_holder(found) if held else None,
        lease_until=moment(found.now_ms + found.lease_ms) if held and found.is_held else None,
        running=running,
        succeeded=succeeded,
        result=catalog.result(name or "", returned) if succeeded else None,
        kept_until=moment(found.now_ms + found.kept_ms) if is_done and found.kept_ms > 0 else None,
        unreadable=reader.unreadable,
        deadline_at=moment(envelope.deadline_ms) if envelope else None,
        start_within_s=_start_within_s(envelope),
        head_start_s=head_start_s(found.ahead),
    )


def attempts_made(state: JobState, spent: int) -> int:
    """How often a job has been tried, if *spent* attempts have failed: one more if one runs."""
    return spent + (state in {JobState.RUNNING, JobState.DONE})


def _short(text: str | None) -> str | None:
    return None if text is None else cut(text, _NAME)


def _due_at(queue: str, found: _Found, result: Fields) -> datetime | None:
    if found.state() is JobState.DONE:
        return result.moment("due")
    places = (found.due_ms, found.parked_ms, found.waiting_ms)
    due_ms = next((one for one in places if one is not None), None)
    if due_ms is not None and due_ms is not found.waiting_ms:
        due_ms = due_of(due_ms, found.ahead)
    return found.reader.moment(found.own.queue_key(queue), due_ms)


def _ended_at(found: _Found, result: Fields) -> datetime | None:
    listed_at = None if found.done_ms is None else moment(found.done_ms)
    return result.moment("ft") or listed_at


def _holder(found: _Found) -> str:
    if found.token is None:
        return "a stock arq worker"
    return worker_of(shown_id(found.token))


def _raw(body: object) -> str | None:
    """The start of a body that cannot be read."""
    start = body.start if isinstance(body, Cut) else body
    if not isinstance(start, bytes):
        return None
    text = start[: 2 * _RAW_CHARACTERS].decode("utf-8", "backslashreplace")
    return scrubbed(text)[:_RAW_CHARACTERS]


_NOT_OURS = "(not JSON: written by a stock arq worker)"


def is_pickled(result: object) -> bool:
    """Whether a stock arq worker wrote a result: nobody reads that."""
    return isinstance(result, bytes) and result[:1] >= b"\x80"


def _result(found: _Found) -> tuple[Fields, bool]:
    """Read the result; True: a stock arq worker pickled it, and nobody reads that."""
    is_foreign = is_pickled(found.result)
    key = found.key(found.own.result_prefix)
    return found.reader.fields(key, None if is_foreign else found.result), is_foreign


def _arguments(result: Fields) -> tuple[list[Any], dict[str, Any]]:
    kwargs = result.value("k")
    return result.items("a"), kwargs if isinstance(kwargs, dict) else {}


def _charged(attempts: Sequence[AttemptView]) -> int:
    """A burial by hand leaves an entry that is no attempt."""
    return sum(one.number is not None for one in attempts)


def _history(found: _Found) -> tuple[AttemptView, ...]:
    """The failed attempts; of those before the last ones, no tracebacks if all were too long."""
    reader, key = found.reader, found.key(found.own.history_prefix)
    history = reader.known(found.history)
    left, attempts = _ALL_TRACEBACKS, list[AttemptView]()
    for entry in reversed(history.last if history else ()):
        attempt = _failed(reader.fields(key, entry), max(0, left))
        left -= len(attempt.traceback) + sum(map(len, attempt.lines))
        attempts.append(attempt)
    return tuple(reversed(attempts))


def _start_within_s(envelope: Envelope | None) -> float | None:
    if envelope is None or envelope.start_within_ms is None:
        return None
    return envelope.start_within_ms / 1000


def _last(result: Fields) -> AttemptView:
    failed = None if result.flag("s") else result.inner("r")
    has_run = failed is None or failed.text("error") != EXPIRED
    return AttemptView(
        number=result.whole("t") if has_run else None,
        started_at=result.moment("st"),
        ended_at=result.moment("ft"),
        worker=result.text("w"),
        error="" if failed is None else failed.text("error"),
        message="" if failed is None else failed.text("message", most=_MESSAGE),
        traceback="" if failed is None else failed.text("traceback", most=_TRACEBACK),
        lines=result.texts("log"),
    )


def _failed(entry: Fields, room: int) -> AttemptView:
    return AttemptView(
        number=entry.whole("attempt"),
        started_at=entry.moment("started_ms"),
        ended_at=entry.moment("failed_ms"),
        worker=entry.text("worker"),
        error=entry.text("error"),
        message=entry.text("message", most=_MESSAGE),
        traceback=entry.text("traceback", most=min(_TRACEBACK, room)),
        lines=entry.texts("log") if room else (),
    )
