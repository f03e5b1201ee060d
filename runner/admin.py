"""
What an operator may do to jobs and queues; each action is one atomic script.

An action on a job that has moved on changes nothing, and returns where the job was found. So every
action may be repeated, and two operators cannot tear a job apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json

from runner import wall_clock
from runner.broker import keys
from runner.broker.chunks import chunks
from runner.broker.reading import Reader, answers, count_of, shown_id
from runner.broker.reading import moment as moment_of
from runner.broker.scripts import ADMIN
from runner.broker.scripts.fields import AdminHead, AdminJob
from runner.broker.servers import at as client_at
from runner.broker.set_aside import with_type
from runner.checks import moment, text, unix_ms
from runner.errors import ConfigurationError, refuse
from runner.states import Found
from runner.wording import not_started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from runner.broker.keys import Keys

MOST_PAUSED_JOBS = 100
"""How many names of a queue may be paused: each claim reads them."""

_PAGE = 200
_MESSAGE = 10_000
_KEEP_ABORTED_MS = 3_600_000
_CHUNK = 100
"""Jobs in one script call: each takes up to twenty commands."""


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job in the dead set. error, message: of its last attempt. name: None if unreadable."""

    job_id: str
    queue: str
    name: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    died_at: datetime
    attempts: int
    error: str
    message: str


class Admin:
    """Actions on the jobs of one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def run_now(self, queue: str, job_id: str | bytes) -> Found:
        """Make a waiting job due now, or a dead one ready again with all its attempts."""
        [found] = await self.act_on_all("run", queue, [job_id])
        return found

    async def reschedule(self, queue: str, job_id: str | bytes, at: datetime | timedelta) -> Found:
        """
        Make a waiting or dead job due at the aware time *at*, or that long from now.

        Raises:
            ConfigurationError: *at* has no time zone, or is after the year 9999.
        """
        [found] = await self.act_on_all("reschedule", queue, [job_id], at=at)
        return found

    async def bury(
        self, queue: str, job_id: str | bytes, *, reason: str = "buried by hand"
    ) -> Found:
        """Put a waiting job into the dead set."""
        [found] = await self.act_on_all("bury", queue, [job_id], reason=reason)
        return found

    async def delete(self, queue: str, job_id: str | bytes) -> Found:
        """Delete a waiting or dead job for good."""
        [found] = await self.act_on_all("delete", queue, [job_id])
        return found

    async def move(self, queue: str, job_id: str | bytes, to: str) -> Found:
        """
        Move a waiting or dead job to the queue *to*; a dead one becomes ready, with all attempts.

        Raises:
            ConfigurationError: It is in that queue already, or that is on another Redis server.
        """
        [found] = await self.act_on_all("move", queue, [job_id], to=to)
        return found

    async def abort(self, queue: str, job_id: str | bytes) -> Found:
        """End a waiting job before it starts, or ask its worker to cancel a running one."""
        [found] = await self.act_on_all("abort", queue, [job_id])
        return found

    async def act_on_all(
        self,
        action: str,
        queue: str,
        job_ids: Sequence[str | bytes],
        *,
        at: datetime | timedelta | None = None,
        to: str = "",
        reason: str = "",
    ) -> list[Found]:
        """
        Do *action* to each of *job_ids* as the methods above do to one; return where each was.

        One script call takes a chunk of them, and is atomic. 'trim' deletes dead jobs alone: one
        that was retried meanwhile stays.

        Raises:
            ConfigurationError: *at* has no time zone, or the jobs are in the queue *to* already, or
                that is on another Redis server.
        """
        _refuse(action, queue, job_ids)
        redis = client_at(self._redis, queue)
        if to:
            refuse_far(self._redis, queue, to)
        own = keys.of(redis)
        head = _head(action, queue, own, at=at, to=to, reason=reason)
        result = aborted_result(own.queue_key(queue)) if action == "abort" else None
        found: list[Found] = []
        for chunk in chunks(job_ids, most=_CHUNK):
            args: list[Any] = [*head]
            for job_id in chunk:
                args += AdminJob(job_id, "" if result is None else _written(result, job_id))
            states = await redis.eval(ADMIN, 2, own.queue_key(queue), own.base, *args)  # type: ignore[misc]  # redis-py's own hints: sync or async
            found += [Found(state.decode()) for state in states]
        return found

    async def dead_jobs(self, queue: str, *, limit: int | None = None) -> AsyncIterator[DeadJob]:
        """Yield the dead jobs of *queue*, the latest first, read page by page."""
        redis = client_at(self._redis, queue)
        seen, dead = 0, keys.of(redis).queue_key(queue) + keys.DEAD_SUFFIX
        while limit is None or seen < limit:
            count = _PAGE if limit is None else min(_PAGE, limit - seen)
            page = await redis.zrevrange(dead, seen, seen + count - 1, withscores=True)
            for job_id, died_ms in page:
                yield await self.dead_job(queue, job_id, died_ms)
            seen += len(page)
            if len(page) < count:
                return

    async def dead_job(
        self, queue: str, job_id: str | bytes, died_ms: float | None = None
    ) -> DeadJob:
        """Return one dead job with its last error."""
        key = job_id if isinstance(job_id, bytes) else job_id.encode()
        redis = client_at(self._redis, queue)
        own = keys.of(redis)
        if died_ms is None:
            died_ms = await redis.zscore(own.queue_key(queue) + keys.DEAD_SUFFIX, key)
        body_key, history_key = own.job_prefix.encode() + key, own.history_prefix.encode() + key
        async with redis.pipeline(transaction=False) as pipe:
            pipe.get(body_key)
            pipe.get(own.retry_prefix.encode() + key)
            pipe.lindex(cast("str", history_key), -1)
            body, spent, entry = await answers(pipe)
        reader = Reader()
        last, envelope = reader.fields(history_key, entry), reader.body(body_key, body)
        return DeadJob(
            job_id=shown_id(key),
            queue=queue,
            name=envelope.name if envelope else None,
            args=envelope.args if envelope else [],
            kwargs=envelope.kwargs if envelope else {},
            died_at=moment_of(died_ms) or datetime.fromtimestamp(0, UTC),
            attempts=count_of(spent) or 0,
            error=last.text("error"),
            message=last.text("message", most=_MESSAGE),
        )

    async def pause(self, queue: str, *, by: str = "") -> None:
        """Let no job of *queue* be claimed until `resume`; running ones go on."""
        note = to_json({"by": by, "at_ms": wall_clock.now_ms()})
        redis = client_at(self._redis, queue)
        await redis.set(keys.of(redis).queue_key(queue) + keys.PAUSED_SUFFIX, note)

    async def resume(self, queue: str) -> None:
        """Let jobs of *queue* be claimed again, at once."""
        redis = client_at(self._redis, queue)
        key = keys.of(redis).queue_key(queue)
        async with redis.pipeline(transaction=True) as pipe:
            pipe.delete(key + keys.PAUSED_SUFFIX)
            _wake_all(pipe, key)
            await pipe.execute()

    async def pause_job(self, queue: str, name: str, *, by: str = "") -> None:
        """
        Let no job of this name start in *queue* until `resume_job`; running ones go on.

        Raises:
            ConfigurationError: It is no name, or too many are paused.
        """
        refuse("pause", text("job", name), keys.queue_problem("queue", queue))
        note = to_json({"by": by, "at_ms": wall_clock.now_ms()})
        redis = client_at(self._redis, queue)
        key = keys.of(redis).queue_key(queue) + keys.PAUSED_JOBS_SUFFIX

        async def write() -> object:
            if await redis.hlen(key) >= MOST_PAUSED_JOBS:  # type: ignore[misc]
                raise ConfigurationError(
                    f"{MOST_PAUSED_JOBS} names of {queue} are paused: pause the queue instead"
                )
            return await redis.hset(key, name, note)  # type: ignore[misc,arg-type]

        await with_type(redis, key, "hash", write)

    async def resume_job(self, queue: str, name: str) -> None:
        """Let jobs of this name start again, those first that were due first."""
        redis = client_at(self._redis, queue)
        key = keys.of(redis).queue_key(queue)
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hdel(key + keys.PAUSED_JOBS_SUFFIX, name)
            _wake_all(pipe, key)
            await pipe.execute()


def _wake_all(pipe: Pipeline, queue_key: str) -> None:
    # As many tokens as the list may hold, so that every idle worker looks for work.
    pipe.lpush(queue_key + keys.WAKE_SUFFIX, *["1"] * keys.WAKE_TOKENS)
    pipe.ltrim(queue_key + keys.WAKE_SUFFIX, 0, keys.WAKE_TOKENS - 1)


def refuse_far(redis: Redis, queue: str, to: str) -> None:
    """
    Return if a job can move from *queue* to the queue *to*.

    Raises:
        ConfigurationError: They are on different servers.
    """
    if client_at(redis, to) is not client_at(redis, queue):
        raise ConfigurationError(
            f"{queue} and {to} are on different Redis servers, and nothing moves a job between "
            "those in one step: enqueue it there, and delete it here"
        )


def _head(
    action: str, queue: str, own: Keys, *, at: datetime | timedelta | None, to: str, reason: str
) -> AdminHead:
    head = AdminHead(action, queue, keys.BATCH_TTL_S)
    if action == "bury":
        entry = {
            "attempt": None,
            "failed_ms": wall_clock.now_ms(),
            "error": "Buried",
            "message": reason,
        }
        return head._replace(entry=to_json(entry))
    if action == "abort":
        return head._replace(keep_ms=_KEEP_ABORTED_MS)
    if to:
        if own.queue_key(to) == own.queue_key(queue):
            raise ConfigurationError(f"the job is in {to} already: name another queue")
        return head._replace(target_key=own.queue_key(to), target=to)
    if isinstance(at, timedelta):
        return head._replace(delay_ms=round(at.total_seconds() * 1000))
    if at is not None:
        refuse(action, moment("at", at))
        return head._replace(due_ms=unix_ms(at))
    return head


def aborted_result(queue_key: str, dropped_for: str = "") -> dict[str, Any]:
    """
    Return the result of a job that was aborted before it started, without its id.

    dropped_for: the job that took its place in its lane.
    """
    now_ms = wall_clock.now_ms()
    return {
        "t": 0,
        "f": "",
        "a": [],
        "k": {},
        "et": now_ms,
        "s": False,
        "r": {"error": "CancelledError", "message": not_started(dropped_for)},
        "st": now_ms,
        "ft": now_ms,
        "q": queue_key,
    }


def _written(result: dict[str, Any], job_id: str | bytes) -> bytes:
    shown = job_id if isinstance(job_id, str) else job_id.decode("utf-8", "backslashreplace")
    return to_json(result | {"id": shown})


def _refuse(action: str, queue: str, job_ids: Sequence[str | bytes]) -> None:
    # Bytes come from Redis, and are there as they are.
    problems = [text("job_id", one) for one in job_ids if not isinstance(one, bytes)]
    refuse(action, *problems, keys.queue_problem("queue", queue))
