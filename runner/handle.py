"""A handle on an enqueued job, to read its state and result, and to abort it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from runner.admin import Admin
from runner.broker import keys
from runner.broker.reading import Reader, answers
from runner.checks import optional, seconds, text
from runner.current import current_client
from runner.errors import (
    CodecError,
    JobFailedError,
    ResultNotFoundError,
    UnreadableError,
    refuse,
)

if TYPE_CHECKING:
    from runner.definition import JobDefinition

R = TypeVar("R")

_LONG = 100_000


class JobState(StrEnum):
    """
    The state of a job.

    `parked`: no worker that met it knows its name or its parameters; one that does takes it.
    `unknown`: no such job, or it is done and its result is not kept.
    """

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
    PARKED = "parked"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)  # slots and Generic do not go together on Python 3.11
class JobHandle(Generic[R]):
    """
    One job, by its id.

    created: False if `enqueue` found a pending job of the same id, and added none. job: by whose
    signature `result` reads; without it, the result is plain JSON values.
    """

    id: str
    queue: str
    created: bool = True
    job: JobDefinition | None = field(default=None, compare=False, repr=False)

    async def state(self) -> JobState:
        """
        Return the job's state now.

        Raises:
            UnreadableError: It is nowhere, and where it may stand is another type of key.
            RedisError: Redis did not answer within the client's `call_timeout_s`.
        """
        self._refuse()
        queue = keys.queue_key(self.queue)
        client = current_client()
        async with client.pipeline(transaction=True) as pipe:
            pipe.hexists(queue + keys.RUNNING_SUFFIX, self.id)
            pipe.exists(keys.IN_PROGRESS_PREFIX + self.id)
            pipe.zscore(queue, self.id)
            pipe.zscore(queue + keys.SUSPECTS_SUFFIX, self.id)
            pipe.zscore(queue + keys.RETRYING_SUFFIX, self.id)
            pipe.zscore(queue + keys.DEAD_SUFFIX, self.id)
            pipe.zscore(queue + keys.PARKED_SUFFIX, self.id)
            pipe.hexists(queue + keys.DIED_SUFFIX, self.id)
            pipe.exists(keys.RESULT_PREFIX + self.id)
            pipe.time()
            found = await client.in_time(answers(pipe))
        reader = Reader()
        running, held, queued_ms, suspect_ms, retry_ms, died_ms, parked, died, result, now = map(
            reader.known, found
        )
        if running or held:
            return JobState.RUNNING
        due_ms = suspect_ms if queued_ms is None else queued_ms
        if due_ms is not None:
            if due_ms <= now[0] * 1000 + now[1] / 1000:
                return JobState.READY
            return JobState.SCHEDULED if retry_ms is None else JobState.RETRYING
        if parked is not None:
            return JobState.PARKED
        if died_ms is not None or died:
            return JobState.DEAD
        if not result and reader.unreadable:
            raise UnreadableError(reader.unreadable)
        return JobState.DONE if result else JobState.UNKNOWN

    async def result(self, *, timeout_s: float | None = None) -> R:
        """
        Wait until the job has ended, even through outages, and return its result.

        Raises:
            CodecError: The result does not fit the job's signature.
            JobFailedError: The job is dead, or was aborted.
            ResultNotFoundError: There is no such job, or its result is not kept.
            TimeoutError: The job had not ended after *timeout_s* seconds.
        """
        self._refuse()
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        async with asyncio.timeout(timeout_s):
            data = await current_client().results.wait((self.queue, self.id))
            if data is not None:
                return self._unpack(data)
            await self._raise_if_dead()
        raise ResultNotFoundError(
            f"{self.id}: no such job in {self.queue}, or its result is not kept"
        )

    async def _raise_if_dead(self) -> None:
        """Raise the last error of a dead job whose result is not kept."""
        queue, reader = keys.queue_key(self.queue), Reader()
        async with current_client().pipeline(transaction=False) as pipe:
            pipe.hget(queue + keys.DIED_SUFFIX, self.id)
            [died] = await answers(pipe)
            dead_id = reader.known(died, None) or self.id.encode("utf-8", "backslashreplace")
            history = keys.HISTORY_PREFIX.encode() + dead_id
            pipe.zscore(queue + keys.DEAD_SUFFIX, dead_id)
            pipe.lindex(cast("str", history), -1)
            died_ms, entry = await answers(pipe)
        if reader.known(died_ms) is not None:
            last = reader.fields(history, entry)
            raise JobFailedError(
                self.id,
                last.text("error"),
                last.text("message", most=_LONG),
                last.text("traceback", most=_LONG),
            )

    async def abort(self) -> None:
        """
        Ask the job to stop: a running one is cancelled, a waiting one never starts.

        Raises:
            RedisError: Redis did not answer within the client's `call_timeout_s`; it may yet.
        """
        client = current_client()
        await client.in_time(Admin(client).abort(self.queue, self.id))

    def _refuse(self) -> None:
        refuse("handle", text("id", self.id), keys.queue_problem("queue", self.queue))

    def _unpack(self, data: bytes) -> R:
        key, reader = keys.RESULT_PREFIX + self.id, Reader()
        fields = reader.fields(key, data)
        if (omitted := fields.inner("omitted")) is not None:
            raise ResultNotFoundError(
                f"{self.id}: its result has {omitted.whole('bytes') or 0:,} bytes, more than "
                "max_result_bytes, and was not kept"
            )
        result, error = fields.value("r"), fields.inner("r")
        if fields.flag("s"):
            value: R = result if self.job is None else self.job.schema.read_result(result)
            return value
        if error is None or "s" not in fields:
            raise CodecError(f"{self.id}: {reader.unreadable or f'{key} is no result'}")
        raise JobFailedError(
            self.id,
            error.text("error"),
            error.text("message", most=_LONG),
            error.text("traceback", most=_LONG),
        )
