"""A handle on an enqueued job, to read its state and result, and to abort it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runner.admin import Admin
from runner.broker import keys
from runner.checks import optional, seconds, text
from runner.codec import decode
from runner.current import blocking_client, current_client
from runner.errors import JobFailedError, ResultNotFoundError, RunnerError, refuse

if TYPE_CHECKING:
    from runner.definition import JobDefinition

R = TypeVar("R")


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
            RedisError: Redis did not answer within the client's `call_timeout_s`.
        """
        self._refuse()
        client = current_client()
        async with client.pipeline(transaction=True) as pipe:
            for command in self._asks_state():
                pipe.execute_command(*command)
            return _state(await client.in_time(pipe.execute()))

    def state_sync(self) -> JobState:
        """Return the job's state as `state` does, from a thread without an event loop."""
        self._refuse()
        commands = (("MULTI",), *self._asks_state(), ("EXEC",))
        return _state(blocking_client().pool.run(*commands)[-1])

    def _asks_state(self) -> list[tuple[str, ...]]:
        queue = keys.queue_key(self.queue)
        return [
            ("HEXISTS", queue + keys.RUNNING_SUFFIX, self.id),
            ("EXISTS", keys.IN_PROGRESS_PREFIX + self.id),
            ("ZSCORE", queue, self.id),
            ("ZSCORE", queue + keys.SUSPECTS_SUFFIX, self.id),
            ("ZSCORE", queue + keys.RETRYING_SUFFIX, self.id),
            ("ZSCORE", queue + keys.DEAD_SUFFIX, self.id),
            ("ZSCORE", queue + keys.PARKED_SUFFIX, self.id),
            ("HEXISTS", queue + keys.DIED_SUFFIX, self.id),
            ("EXISTS", keys.RESULT_PREFIX + self.id),
            ("TIME",),
        ]

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
            client = current_client()
            died = await client.execute_command(*self._asks_dead_id())  # type: ignore[no-untyped-call]  # redis-py's own
            async with client.pipeline(transaction=False) as pipe:
                for command in self._asks_last_error(died):
                    pipe.execute_command(*command)
                raise self._no_result(*await pipe.execute())

    def result_sync(self, *, timeout_s: float | None = None) -> R:
        """Return the result as `result` does, from a thread without an event loop."""
        self._refuse()
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        client = blocking_client()
        data = client.wait(self.queue, self.id, timeout_s=timeout_s)
        if data is not None:
            return self._unpack(data)
        [died] = client.pool.run(self._asks_dead_id())
        raise self._no_result(*client.pool.run(*self._asks_last_error(died)))

    def _asks_dead_id(self) -> tuple[str, ...]:
        return ("HGET", keys.queue_key(self.queue) + keys.DIED_SUFFIX, self.id)

    def _asks_last_error(self, died: bytes | None) -> list[tuple[str, ...]]:
        dead_id = self.id if died is None else died.decode("utf-8", "surrogateescape")
        return [
            ("ZSCORE", keys.queue_key(self.queue) + keys.DEAD_SUFFIX, dead_id),
            ("LINDEX", keys.HISTORY_PREFIX + dead_id, "-1"),
        ]

    def _no_result(self, died_ms: object, entry: bytes | None) -> RunnerError:
        """Return what to raise for a job without a result: its last error, if it is dead."""
        if died_ms is None:
            return ResultNotFoundError(
                f"{self.id}: no such job in {self.queue}, or its result is not kept"
            )
        last: dict[str, Any] = decode(entry) if entry else {}
        return JobFailedError(
            self.id, last.get("error", ""), last.get("message", ""), last.get("traceback", "")
        )

    async def abort(self) -> None:
        """
        Ask the job to stop: a running one is cancelled, a waiting one never starts.

        Raises:
            RedisError: Redis did not answer within the client's `call_timeout_s`; it may yet.
        """
        client = current_client()
        await client.in_time(Admin(client).abort(self.queue, self.id))

    def abort_sync(self) -> None:
        """Ask the job to stop as `abort` does, from a thread without an event loop."""
        self._refuse()
        blocking_client().abort(self.queue, self.id)

    def _refuse(self) -> None:
        refuse("handle", text("id", self.id), keys.queue_problem("queue", self.queue))

    def _unpack(self, data: bytes) -> R:
        fields: dict[str, Any] = decode(data)
        if (omitted := fields.get("omitted")) is not None:
            raise ResultNotFoundError(
                f"{self.id}: its result has {omitted['bytes']:,} bytes, more than "
                "max_result_bytes, and was not kept"
            )
        result = fields["r"]
        if fields["s"]:
            value: R = result if self.job is None else self.job.schema.read_result(result)
            return value
        raise JobFailedError(
            self.id, result["error"], result["message"], result.get("traceback", "")
        )


def _state(answers: list[Any]) -> JobState:
    running, held, queued_ms, suspect_ms, retry_ms, died_ms, parked, died, result, now = answers
    if running or held:
        return JobState.RUNNING
    due_ms = suspect_ms if queued_ms is None else queued_ms
    if due_ms is not None:
        if float(due_ms) <= int(now[0]) * 1000 + int(now[1]) / 1000:
            return JobState.READY
        return JobState.SCHEDULED if retry_ms is None else JobState.RETRYING
    if parked is not None:
        return JobState.PARKED
    if died_ms is not None or died:
        return JobState.DEAD
    return JobState.DONE if result else JobState.UNKNOWN
