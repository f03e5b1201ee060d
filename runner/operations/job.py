"""One job in full: its state, arguments, attempts, result and holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import from_json

from runner.broker import keys
from runner.context import Progress  # noqa: TC001 -- the API's schema reads it
from runner.handle import JobState
from runner.operations.processes import RunningJob, workers_of
from runner.operations.stored import (
    counter,
    crash_count,
    json_object,
    keys_of,
    lines,
    moment,
    readable,
    shown_id,
    whole,
)
from runner.operations.verbs import job_verbs
from runner.redaction import scrubbed
from runner.worker.claim import worker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.verbs import JobVerb

_MOST_ATTEMPTS = 100
_RAW_CHARACTERS = 2_000


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
        attempts_spent: Attempts since it was enqueued or retried by hand; of a done job, those that
            failed.
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
        succeeded: Whether it succeeded; null until it is done.
        result: What it returned, without secrets, long texts cut.
        result_kept_s: Seconds until the result expires; null if it does not.
    """

    job_id: str
    queue: str
    state: JobState
    name: str | None
    arguments: dict[str, Any]
    enqueued_at: datetime | None
    due_at: datetime | None
    died_at: datetime | None
    attempts_spent: int
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
    result_kept_s: float | None

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
    found = [await _queue_of(redis, queues, key) for key in keys_of(job_id)]
    return next(filter(None, found), None)


async def _queue_of(redis: Redis, queues: Sequence[str], key: bytes) -> str | None:
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            for suffix in keys.PLACES:
                pipe.zscore(keys.queue_key(queue) + suffix, cast("str", key))
            pipe.hget(keys.queue_key(queue) + keys.DIED_SUFFIX, cast("str", key))
        pipe.get(keys.RESULT_PREFIX.encode() + key)
        *scores, result = await pipe.execute()
    width = len(keys.PLACES) + 1
    for place, queue in enumerate(queues):
        if any(score is not None for score in scores[place * width : (place + 1) * width]):
            return queue
    fields = json_object(result)
    return keys.queue_of(str(fields["q"])) if "q" in fields else None


async def job(redis: Redis, queue: str, job_id: str, catalog: Catalog) -> JobView | None:
    """The job that is shown by this id; None if nothing of it is in Redis."""
    for key in keys_of(job_id):
        found = await _found(redis, queue, key)
        if found.died is not None and found.due_ms is None and found.parked_ms is None:
            # A job that died under an id of its caller's choice goes on under another.
            job_id = shown_id(found.died)
            found = await _found(redis, queue, found.died)
        if found.state() is not JobState.UNKNOWN:
            is_held = found.state() is JobState.RUNNING
            running = await _running(redis, queue, job_id) if is_held else None
            return _view(queue, job_id, found, running, catalog)
    return None


async def _found(redis: Redis, queue: str, member: bytes) -> _Found:
    key, name = keys.queue_key(queue), cast("str", member)  # redis-py's hints do not know bytes
    async with redis.pipeline(transaction=True) as pipe:
        pipe.time()
        pipe.get(keys.JOB_PREFIX.encode() + member)
        pipe.zscore(key, name)
        pipe.zscore(key + keys.SUSPECTS_SUFFIX, name)
        pipe.zscore(key + keys.DEAD_SUFFIX, name)
        pipe.zscore(key + keys.RETRYING_SUFFIX, name)
        pipe.zscore(key + keys.PARKED_SUFFIX, name)
        pipe.hget(key + keys.RUNNING_SUFFIX, name)
        pipe.pttl(keys.IN_PROGRESS_PREFIX.encode() + member)
        pipe.hget(key + keys.UNKNOWN_SUFFIX, name)
        pipe.hget(key + keys.DIED_SUFFIX, name)
        pipe.hget(key + keys.CRASHES_SUFFIX, name)
        pipe.get(keys.RETRY_PREFIX.encode() + member)
        pipe.lrange(cast("str", keys.HISTORY_PREFIX.encode() + member), -_MOST_ATTEMPTS, -1)
        pipe.get(keys.RESULT_PREFIX.encode() + member)
        pipe.pttl(keys.RESULT_PREFIX.encode() + member)
        pipe.zscore(keys.ABORT, name)
        return _Found(*await pipe.execute())


@dataclass(frozen=True, slots=True)
class _Found:
    """What Redis holds of one job, read in one transaction."""

    time: tuple[int, int]
    body: bytes | None
    queued_ms: float | None
    suspect_ms: float | None
    died_ms: float | None
    retry_ms: float | None
    parked_ms: float | None
    token: bytes | None
    lease_ms: int
    unknown: bytes | None
    died: bytes | None
    crashes: bytes | None
    spent: bytes | None
    history: list[bytes]
    result: bytes | None
    kept_ms: int
    abort_ms: float | None

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
        if self.due_ms is not None:
            if self.token is not None or self.is_held:
                return JobState.RUNNING
            if self.due_ms <= self.now_ms:
                return JobState.READY
            return JobState.SCHEDULED if self.retry_ms is None else JobState.RETRYING
        if self.parked_ms is not None:
            return JobState.PARKED
        if self.died_ms is not None:
            return JobState.DEAD
        return JobState.UNKNOWN if self.result is None else JobState.DONE


async def _running(redis: Redis, queue: str, job_id: str) -> RunningJob | None:
    for worker in await workers_of(redis, queue):
        for running in worker.running:
            if running.job_id == job_id:
                return running
    return None


def _view(
    queue: str, job_id: str, found: _Found, running: RunningJob | None, catalog: Catalog
) -> JobView:
    state = found.state()
    envelope, result = readable(found.body), _result(found.result)
    name = envelope.name if envelope else _text(result.get("f"))
    args, kwargs = (envelope.args, envelope.kwargs) if envelope else _arguments(result)
    held = state is JobState.RUNNING
    failed = tuple(_failed(json_object(entry)) for entry in found.history)
    is_done = state is JobState.DONE
    return JobView(
        job_id=job_id,
        queue=queue,
        state=state,
        name=name,
        arguments=catalog.arguments(name or "", args, kwargs),
        enqueued_at=moment(envelope.enqueued_ms if envelope else result.get("et")),
        due_at=moment(_due_ms(found, result)),
        died_at=moment(found.died_ms),
        attempts_spent=_charged(failed) if is_done else counter(found.spent),
        crashes=crash_count(found.crashes),
        batch_id=envelope.batch_id if envelope else None,
        trace=envelope.trace if envelope else None,
        raw=_raw(found.body) if envelope is None and found.body is not None else None,
        unknown=found.unknown is not None,
        abort_asked=found.abort_ms is not None,
        attempts=(*failed, _last(result)) if is_done else failed,
        holder=_holder(found) if held else None,
        lease_until=moment(found.now_ms + found.lease_ms) if held and found.is_held else None,
        running=running,
        succeeded=bool(result.get("s")) if is_done else None,
        result=catalog.result(name or "", result.get("r")) if result.get("s") else None,
        result_kept_s=found.kept_ms / 1000 if found.kept_ms > 0 else None,
    )


def _due_ms(found: _Found, result: dict[str, Any]) -> Any:
    if found.state() is JobState.DONE:
        return result.get("due")
    return found.parked_ms if found.due_ms is None else found.due_ms


def _holder(found: _Found) -> str:
    if found.token is None:
        return "a stock arq worker"
    return worker_of(found.token.decode("utf-8", "replace"))


def _raw(body: bytes) -> str:
    text = body[: 2 * _RAW_CHARACTERS].decode("utf-8", "backslashreplace")
    return scrubbed(text)[:_RAW_CHARACTERS]


def _result(data: bytes | None) -> dict[str, Any]:
    """A stock arq worker's result is a pickle, which is never read."""
    if data is None:
        return {}
    try:
        fields = from_json(data)
    except ValueError:
        return {"f": None, "s": True, "r": "(not JSON: written by a stock arq worker)"}
    return fields if isinstance(fields, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _arguments(result: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = result.get("a"), result.get("k")
    return (
        args if isinstance(args, list) else [],
        cast("dict[str, Any]", kwargs) if isinstance(kwargs, dict) else {},
    )


def _charged(attempts: Sequence[AttemptView]) -> int:
    """A burial by hand leaves an entry that is no attempt."""
    return sum(one.number is not None for one in attempts)


def _last(result: dict[str, Any]) -> AttemptView:
    error = result.get("r")
    failed = error if not result.get("s") and isinstance(error, dict) else {}
    return AttemptView(
        number=whole(result.get("t")),
        started_at=moment(result.get("st")),
        ended_at=moment(result.get("ft")),
        worker=str(result.get("w", "")),
        error=str(failed.get("error", "")),
        message=str(failed.get("message", "")),
        traceback=str(failed.get("traceback", "")),
        lines=lines(result.get("log")),
    )


def _failed(entry: dict[str, Any]) -> AttemptView:
    return AttemptView(
        number=whole(entry.get("attempt")),
        started_at=moment(entry.get("started_ms")),
        ended_at=moment(entry.get("failed_ms")),
        worker=str(entry.get("worker", "")),
        error=str(entry.get("error", "")),
        message=str(entry.get("message", "")),
        traceback=str(entry.get("traceback", "")),
        lines=lines(entry.get("log")),
    )
