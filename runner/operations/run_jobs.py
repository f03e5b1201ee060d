"""The jobs of a run: whatever their states, many are read in two round trips to each server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import to_json

from runner import lineage
from runner.broker import keys
from runner.broker.chunks import chunks
from runner.broker.reading import (
    Entries,
    Fields,
    Reader,
    Unreadable,
    answers,
    count_of,
    cut,
    look,
    moment,
    shown_id,
)
from runner.broker.scripts.fields import LookHead
from runner.broker.servers import at
from runner.operations.head_start import due_of
from runner.operations.job import is_pickled, state_of
from runner.operations.jobs import started_by_job
from runner.states import JobState
from runner.worker.claim import worker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.codec import Envelope
    from runner.operations.catalog import Catalog
    from runner.operations.processes import RunningJob

_ATTEMPTS: Final = 20
_LIMITS: Final = LookHead(each=1 << 20, all=32 << 20, entries=_ATTEMPTS)
_GAVE: Final = 60
_MESSAGE: Final = 200
_NAME: Final = 200

Member = tuple[str, bytes]
"""A queue, and the id of a job in it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    An attempt of a job.

    Attributes:
        started_at: When it started.
        ended_at: When it ended; null while it runs.
        error: Type of its error; empty if it succeeded, or runs.
    """

    started_at: datetime
    ended_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class RunJob:
    """
    A job of a run.

    Attributes:
        job_id: Id of the job.
        queue: Queue of the job.
        name: Name of the job; null if nobody knows it any more.
        state: State of the job; `unknown` if it waits for others, or nothing of it is left.
        depth: How many jobs of the run led to it.
        enqueued_at: When it was enqueued.
        due_at: When it was due first.
        attempts: Its attempts, those that failed and the last one.
        worker: Worker of the last attempt.
        succeeded: Whether it succeeded; null until it is done, and once its result is gone.
        gave: Start of its result, without secrets, or of its last error's message.
        batch_id: Id of its batch.
        led_by: Id of the job that enqueued it, or whose result it needed last; null if none did.
        is_on_path: Whether the whole run waited for it.
        unreadable: What of it cannot be read, and why; empty if all can.
    """

    job_id: str
    queue: str
    name: str | None
    state: JobState
    depth: int
    enqueued_at: datetime | None
    due_at: datetime | None
    attempts: tuple[Stretch, ...]
    worker: str
    succeeded: bool | None
    gave: str
    batch_id: str | None
    led_by: str | None
    is_on_path: bool
    unreadable: str

    @property
    def started_at(self) -> datetime | None:
        """When its first attempt started."""
        return self.attempts[0].started_at if self.attempts else None

    @property
    def ended_at(self) -> datetime | None:
        """When its last attempt ended; None while it waits or runs."""
        is_over = self.state in {JobState.DONE, JobState.DEAD}
        return self.attempts[-1].ended_at if is_over and self.attempts else None

    @property
    def ran_s(self) -> float:
        """Seconds that its attempts ran, as far as they have ended."""
        return sum(
            (one.ended_at - one.started_at).total_seconds() for one in self.attempts if one.ended_at
        )

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, and nothing else of it is kept."""
        return self.state is JobState.DONE and self.succeeded is None


@dataclass(frozen=True, slots=True)
class ReadJob:
    """
    A job, and what tells which others it belongs to.

    trace: id of its trace, or None. begins: id of the trace that begins with it, if it does. parent
    and mark: what its body says of the job that enqueued it, and what those say that it enqueued.
    """

    job: RunJob
    trace: str | None
    begins: str | None
    parent: str | None
    mark: str


async def read_members(
    redis: Redis, members: Sequence[Member], catalog: Catalog, *, with_gave: bool = True
) -> dict[Member, ReadJob]:
    """
    Read the jobs of *members*, in whatever state; those of which nothing is left are missing.

    with_gave: also what each gave, which has to be searched for secrets.
    """
    by_queue: dict[str, list[bytes]] = {}
    for queue, key in members:
        by_queue.setdefault(queue, []).append(key)
    found: dict[Member, ReadJob] = {}
    for queue, ids in by_queue.items():
        for some in chunks(ids):
            one, died = await _read(at(redis, queue), queue, some, catalog, with_gave=with_gave)
            found |= one
            if rest := [key for key in died if key not in ids]:
                found |= (await _read(at(redis, queue), queue, rest, catalog, with_gave=with_gave))[
                    0
                ]
    return found


@dataclass(slots=True)
class _Places:
    """Where the jobs of one queue stand: what Redis answered, one entry a job."""

    now_ms: float
    due: Sequence[Any]
    suspects: Sequence[Any]
    parked: Sequence[Any]
    behind: Sequence[Any]
    dead: Sequence[Any]
    done: Sequence[Any]
    retrying: Sequence[Any]
    tokens: Sequence[Any]
    died: Sequence[Any]
    ahead: Sequence[Any]
    held: Sequence[Any]

    def state(self, place: int, *, has_result: bool) -> JobState:
        due = self.due[place] if self.suspects[place] is None else self.suspects[place]
        return state_of(
            now_ms=self.now_ms,
            due_ms=due,
            is_held=self.tokens[place] is not None or self.held[place] is not None,
            is_retry=self.retrying[place] is not None,
            is_parked=self.parked[place] is not None,
            is_behind=self.behind[place] is not None,
            is_dead=self.dead[place] is not None,
            has_ended=has_result or self.done[place] is not None,
        )

    def due_ms(self, place: int, state: JobState) -> float | None:
        """When the job was due first, if one can tell: a retry moves that."""
        if state is JobState.RUNNING:
            _, _, due = (self.tokens[place] or b"").partition(b"|")
            score = count_of(due.partition(b"|")[0])
        elif state in {JobState.READY, JobState.SCHEDULED} and self.retrying[place] is None:
            score = self.due[place]
        else:
            score = None
        return None if score is None else due_of(score, self.ahead[place])


async def _places(redis: Redis, queue: str, ids: Sequence[bytes]) -> _Places:
    own, names = keys.of(redis), cast("list[str]", list(ids))
    key, reader, nothing = own.queue_key(queue), Reader(), [None] * len(ids)
    async with redis.pipeline(transaction=True) as pipe:
        pipe.time()
        for suffix in (
            "",
            keys.SUSPECTS_SUFFIX,
            keys.PARKED_SUFFIX,
            keys.WAITING_SUFFIX,
            keys.DEAD_SUFFIX,
            keys.DONE_SUFFIX,
            keys.RETRYING_SUFFIX,
        ):
            pipe.zmscore(key + suffix, names)
        pipe.hmget(key + keys.RUNNING_SUFFIX, names)
        pipe.hmget(key + keys.DIED_SUFFIX, names)
        pipe.hmget(key + keys.AHEAD_SUFFIX, names)
        pipe.mget([own.in_progress_prefix.encode() + one for one in ids])
        (seconds, micros), *replies = await answers(pipe)
    return _Places(
        seconds * 1000 + micros / 1000, *(reader.known(reply, nothing) for reply in replies)
    )


async def _read(
    redis: Redis, queue: str, ids: Sequence[bytes], catalog: Catalog, *, with_gave: bool
) -> tuple[dict[Member, ReadJob], list[bytes]]:
    """Read jobs; and the ids of those that died under an id of their caller's choice."""
    own = keys.of(redis)
    places = await _places(redis, queue, ids)
    looked = await look(
        redis,
        strings=[own.job_prefix.encode() + one for one in ids]
        + [own.result_prefix.encode() + one for one in ids],
        lists=[own.history_prefix.encode() + one for one in ids],
        limits=_LIMITS,
    )
    many = len(ids)
    bodies, results, histories = looked[:many], looked[many : 2 * many], looked[2 * many :]
    running = await started_by_job(redis, queue) if any(places.tokens) else {}
    found, died = {}, []
    for place, key in enumerate(ids):
        state = places.state(place, has_result=results[place] is not None)
        if state in {JobState.DONE, JobState.UNKNOWN} and places.died[place] is not None:
            died.append(places.died[place])
            continue
        if state is JobState.UNKNOWN:
            continue
        reader = Reader()
        result = results[place] if state is JobState.DONE else None
        one = _Parts(
            reader,
            queue,
            key,
            state,
            envelope=None
            if bodies[place] is None
            else reader.body(own.job_prefix.encode() + key, bodies[place]),
            result=reader.fields(
                own.result_prefix.encode() + key, None if is_pickled(result) else result
            ),
            has_result=result is not None,
            is_foreign=is_pickled(result),
            history=histories[place],
            history_key=own.history_prefix.encode() + key,
            running=running.get(shown_id(key)),
            due_ms=places.due_ms(place, state),
            token=places.tokens[place],
        )
        found[queue, key] = one.read(catalog, with_gave=with_gave)
    return found, died


@dataclass(slots=True)
class _Parts:
    """What Redis holds of one job."""

    reader: Reader
    queue: str
    key: bytes
    state: JobState
    envelope: Envelope | None
    result: Fields
    has_result: bool
    is_foreign: bool
    history: Any
    history_key: bytes
    running: RunningJob | None
    due_ms: float | None
    token: bytes | None

    def read(self, catalog: Catalog, *, with_gave: bool) -> ReadJob:
        result, envelope = self.result, self.envelope
        job_id = shown_id(self.key)
        name = envelope.name if envelope else result.text("f", most=_NAME) or None
        trace = envelope.trace if envelope else result.text("tp") or None
        batch_id = envelope.batch_id if envelope else result.text("b") or None
        enqueued_ms = envelope.enqueued_ms if envelope else result.whole("et")
        succeeded = (self.is_foreign or result.flag("s")) if self.has_result else None
        one = RunJob(
            job_id=job_id,
            queue=self.queue,
            name=None if name is None else cut(name, _NAME),
            state=self.state,
            depth=0,
            enqueued_at=moment(enqueued_ms),
            due_at=result.moment("due") or moment(self.due_ms) or moment(enqueued_ms),
            attempts=self._attempts(),
            worker=self._worker(),
            succeeded=succeeded,
            gave=self._gave(catalog, name or "", succeeded=succeeded) if with_gave else "",
            batch_id=batch_id,
            led_by=None,
            is_on_path=False,
            unreadable=self.reader.unreadable,
        )
        known = lineage.trace_id(trace)
        begins = lineage.begun_by(job_id, enqueued_ms) if enqueued_ms and known is None else None
        parent, mark = lineage.parent_id(trace), lineage.mark(job_id, enqueued_ms or 0)
        return ReadJob(one, known, begins, parent, mark)

    def _entries(self) -> list[Fields]:
        if self.history is None or isinstance(self.history, Unreadable):
            self.reader.known(self.history)
            return []
        entries = self.history.last if isinstance(self.history, Entries) else []
        return [self.reader.fields(self.history_key, one) for one in entries]

    def _attempts(self) -> tuple[Stretch, ...]:
        found = [
            (one.moment("started_ms"), one.moment("failed_ms"), one.text("error") or "failed")
            for one in self._entries()
        ]
        if self.has_result:
            failed = None if self.result.flag("s") else self.result.inner("r")
            error = "" if failed is None else failed.text("error") or "failed"
            found.append((self.result.moment("st"), self.result.moment("ft"), error))
        stretches = [
            Stretch(started, ended, error)
            for started, ended, error in found
            if started and ended and started <= ended
        ]
        if self.running is not None and self.running.started_at is not None:
            stretches.append(Stretch(self.running.started_at, None, ""))
        return tuple(stretches)

    def _worker(self) -> str:
        if self.running is not None:
            return self.running.worker
        if self.token is not None:
            return worker_of(shown_id(self.token))
        if self.has_result:
            return self.result.text("w")
        entries = self._entries()
        return entries[-1].text("worker") if entries else ""

    def _gave(self, catalog: Catalog, name: str, *, succeeded: bool | None) -> str:
        if succeeded:
            returned = catalog.result(name, self.result.value("r"))
            text = returned if isinstance(returned, str) else to_json(returned, fallback=str)
            shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
            return "" if returned is None else _cut_short(shown, _GAVE)
        entries = self._entries()
        failed = self.result.inner("r") if succeeded is False else entries[-1] if entries else None
        if failed is None:
            return ""
        line = f"{failed.text('error')}: {failed.text('message', most=_MESSAGE)}"
        return _cut_short(line, 2 * _GAVE)


def _cut_short(text: str, most: int) -> str:
    """*text* on one line, or its start."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"
