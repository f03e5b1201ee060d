"""A handle on an enqueued job, to read its state and result, and to abort it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runner.admin import Admin
from runner.broker import keys
from runner.broker.reading import Reader, answers, readable
from runner.checks import optional, seconds, text
from runner.codec import EXPIRED
from runner.current import ask_blocking, blocking_client, current_client, memory_here
from runner.enqueue import current_job
from runner.errors import (
    CodecError,
    JobExpiredError,
    JobFailedError,
    ResultNotFoundError,
    RunnerError,
    UnreadableError,
    refuse,
)
from runner.partitions import in_partitions
from runner.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runner.broker.keys import Keys
    from runner.broker.reading import Fields
    from runner.client import QueueClient
    from runner.definition import JobDefinition
    from runner.enqueue import Enqueue

    _Command = tuple[str | bytes, ...]

R = TypeVar("R")

_LONG = 100_000


@dataclass(frozen=True)  # slots and Generic do not go together on Python 3.11
class JobHandle(Generic[R]):
    """
    One job, by its id.

    created: False if `enqueue` found a pending job of the same id, another one with its unique key,
    or its lane without a place (`at_limit="skip"`), and added none; this is the handle of that, or
    of the lane's last job, then. job: by whose signature `result` reads; without it, the result is
    plain JSON values. enqueued_ms: when this call was made, Unix ms, if it added the job.
    """

    id: str
    queue: str
    created: bool = True
    job: JobDefinition | None = field(default=None, compare=False, repr=False)
    enqueued_ms: int | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, request: Enqueue, created: bool, job: JobDefinition | None) -> JobHandle[R]:  # noqa: FBT001 -- an answer
        """
        Return the handle of what was enqueued.

        It sets the fields without the `__init__` of a frozen dataclass, which takes twice as long.
        """
        handle = cls.__new__(cls)
        fields = handle.__dict__
        fields["id"], fields["queue"] = request.job_id, request.queue
        fields["created"], fields["job"] = created, job
        fields["enqueued_ms"] = request.enqueued_ms if created else None
        return handle

    @contextmanager
    def followed(self) -> Iterator[None]:
        """
        Let what is enqueued within follow from this job, as if the job had enqueued it.

        So the page of its run, and the trace, lead on to that. Of a job that `enqueue` found, and
        did not add, nothing follows: when it was enqueued is not known here.
        """
        by = None if self.enqueued_ms is None else (self.id, self.enqueued_ms)
        token = current_job.set(by)
        try:
            yield
        finally:
            current_job.reset(token)

    async def state(self) -> JobState:
        """
        Return the job's state now.

        Raises:
            UnreadableError: It is nowhere, and where it may stand is another type of key.
            RedisError: Redis did not answer within the client's `call_timeout_s`.
        """
        self._refuse()
        if (memory := memory_here()) is not None:
            return JobState(await memory.state(self.queue, self.id))
        return _state(await self._client().in_time(self._asked(self._asks_state)))

    def state_sync(self) -> JobState:
        """Return the job's state as `state` does, from a thread without an event loop."""
        self._refuse()
        if (memory := memory_here()) is not None:
            return JobState(ask_blocking(memory.state(self.queue, self.id)))
        return _state(self._asked_sync(self._asks_state))

    def _asks_state(self, own: Keys) -> list[_Command]:
        queue = own.queue_key(self.queue)
        return [
            ("HEXISTS", queue + keys.RUNNING_SUFFIX, self.id),
            ("EXISTS", own.in_progress_prefix + self.id),
            ("ZSCORE", queue, self.id),
            ("ZSCORE", queue + keys.SUSPECTS_SUFFIX, self.id),
            ("ZSCORE", queue + keys.RETRYING_SUFFIX, self.id),
            ("ZSCORE", queue + keys.DEAD_SUFFIX, self.id),
            ("ZSCORE", queue + keys.PARKED_SUFFIX, self.id),
            ("ZSCORE", queue + keys.WAITING_SUFFIX, self.id),
            ("HEXISTS", queue + keys.DIED_SUFFIX, self.id),
            ("EXISTS", own.result_prefix + self.id),
            ("TIME",),
        ]

    async def result(self, *, timeout_s: float | None = None) -> R:
        """
        Wait until the job has ended, even through outages, and return its result.

        Raises:
            CodecError: The result does not fit the job's signature.
            JobFailedError: The job is dead, or was aborted.
            JobExpiredError: It was too late to start it.
            ResultNotFoundError: There is no such job, or its result is not kept.
            TimeoutError: The job had not ended after *timeout_s* seconds.
        """
        self._refuse()
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        if (memory := memory_here()) is not None:
            found = await memory.result(self.queue, self.id, timeout_s=timeout_s)
            return self._read(keys.of(memory), *found)
        async with asyncio.timeout(timeout_s):
            client = self._client()
            data = await client.results.wait((self.queue, self.id))
            own = keys.of(client)
            if data is not None:
                return self._unpack(own, data)
            dead_id = self._dead_id(*await self._asked(self._asks_dead_id))
            last = await self._asked(partial(self._asks_last_error, dead_id))
            raise self._no_result(own, dead_id, *last)

    def result_sync(self, *, timeout_s: float | None = None) -> R:
        """Return the result as `result` does, from a thread without an event loop."""
        self._refuse()
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        if (memory := memory_here()) is not None:
            asked = memory.result(self.queue, self.id, timeout_s=timeout_s)
            return self._read(keys.of(memory), *ask_blocking(asked))
        client = blocking_client(self.queue)
        data = client.wait(self.queue, self.id, timeout_s=timeout_s)
        own = keys.of(client)
        if data is not None:
            return self._unpack(own, data)
        dead_id = self._dead_id(*self._asked_sync(self._asks_dead_id))
        last = self._asked_sync(partial(self._asks_last_error, dead_id))
        raise self._no_result(own, dead_id, *last)

    def _asks_dead_id(self, own: Keys) -> list[_Command]:
        return [("HGET", own.queue_key(self.queue) + keys.DIED_SUFFIX, self.id)]

    def _dead_id(self, died: object) -> bytes:
        """Under which id the job is dead, if it is: its own, or one that was made then."""
        return died if isinstance(died, bytes) else self.id.encode("utf-8", "backslashreplace")

    def _asks_last_error(self, dead_id: bytes, own: Keys) -> list[_Command]:
        return [
            ("ZSCORE", own.queue_key(self.queue) + keys.DEAD_SUFFIX, dead_id),
            ("LINDEX", own.history_prefix.encode() + dead_id, "-1"),
        ]

    def _read(self, own: Keys, data: bytes | None, entry: bytes | None) -> R:
        """Return what a test's memory has of the job: its result, or what it died of."""
        if data is None:
            raise self._no_result(own, self._dead_id(None), entry, entry)
        return self._unpack(own, data)

    def _no_result(self, own: Keys, dead_id: bytes, died_ms: object, entry: object) -> RunnerError:
        """Return what to raise for a job without a result: its last error, if it is dead."""
        reader = Reader()
        if reader.known(died_ms) is None:
            return ResultNotFoundError(
                f"{self.id}: no such job in {self.queue}, or its result is not kept"
            )
        return self._failed(reader.fields(own.history_prefix.encode() + dead_id, entry))

    async def abort(self) -> None:
        """
        Ask the job to stop: a running one is cancelled, a waiting one never starts.

        Raises:
            RedisError: Redis did not answer within the client's `call_timeout_s`; it may yet.
        """
        if (memory := memory_here()) is not None:
            await memory.abort(self.queue, self.id)
            return
        client = self._client()
        await client.in_time(Admin(client).abort(self.queue, self.id))

    def abort_sync(self) -> None:
        """Ask the job to stop as `abort` does, from a thread without an event loop."""
        self._refuse()
        if (memory := memory_here()) is not None:
            ask_blocking(memory.abort(self.queue, self.id))
            return
        blocking_client(self.queue).abort(self.queue, self.id)

    def _client(self) -> QueueClient:
        return current_client().at(self.queue)

    async def _asked(self, questions: Callable[[Keys], Sequence[_Command]]) -> list[Any]:
        """Return the replies to *questions*, which Redis answers together."""
        client = self._client()
        async with client.pipeline(transaction=True) as pipe:
            for command in questions(keys.of(client)):
                pipe.execute_command(*command)
            return await answers(pipe)

    def _asked_sync(self, questions: Callable[[Keys], Sequence[_Command]]) -> list[Any]:
        pool = blocking_client(self.queue).pool
        commands = questions(keys.of(pool))
        replies = pool.run(("MULTI",), *commands, ("EXEC",))[-1]
        return [readable(reply, command) for reply, command in zip(replies, commands, strict=True)]

    def _refuse(self) -> None:
        refuse("handle", text("id", self.id), keys.queue_problem("queue", self.queue))
        if len(in_partitions(self.queue)) > 1:
            refuse("handle", f"the queue {self.queue} has partitions: give that of the job")

    def _unpack(self, own: Keys, data: bytes) -> R:
        key, reader = own.result_prefix + self.id, Reader()
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
        raise self._failed(error)

    def _failed(self, fields: Fields) -> JobFailedError:
        name = fields.text("error")
        kind = JobExpiredError if name == EXPIRED else JobFailedError
        return kind(
            self.id,
            name,
            fields.text("message", most=_LONG),
            fields.text("traceback", most=_LONG),
        )


def _state(found: list[Any]) -> JobState:
    reader = Reader()
    running, held, queued_ms, suspect_ms, retry_ms, died_ms, parked, waiting, died, result, now = (
        map(reader.known, found)
    )
    if running or held:
        return JobState.RUNNING
    due_ms = suspect_ms if queued_ms is None else queued_ms
    if due_ms is not None:
        if float(due_ms) <= int(now[0]) * 1000 + int(now[1]) / 1000:
            return JobState.READY
        return JobState.SCHEDULED if retry_ms is None else JobState.RETRYING
    if parked is not None or waiting is not None:
        return JobState.WAITING if parked is None else JobState.PARKED
    if died_ms is not None or died:
        return JobState.DEAD
    if not result and reader.unreadable:
        raise UnreadableError(reader.unreadable)
    return JobState.DONE if result else JobState.UNKNOWN
