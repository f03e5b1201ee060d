"""A handle on an enqueued job, to read its state and result, and to abort it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from redis.exceptions import RedisError

from runner.admin import Admin
from runner.broker import keys
from runner.broker.outage import is_passing
from runner.checks import optional, seconds, text
from runner.codec import decode
from runner.current import current_client
from runner.errors import JobFailedError, ResultNotFoundError, refuse

if TYPE_CHECKING:
    from runner.definition import JobDefinition

R = TypeVar("R")

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25


class JobState(StrEnum):
    """The state of a job. `unknown`: no such job, or it is done and its result is not kept."""

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
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
        refuse("handle", text("id", self.id), keys.queue_problem("queue", self.queue))
        queue = keys.queue_key(self.queue)
        client = current_client()
        async with client.pipeline(transaction=True) as pipe:
            pipe.hexists(queue + keys.RUNNING_SUFFIX, self.id)
            pipe.exists(keys.IN_PROGRESS_PREFIX + self.id)
            pipe.zscore(queue, self.id)
            pipe.zscore(queue + keys.RETRYING_SUFFIX, self.id)
            pipe.zscore(queue + keys.DEAD_SUFFIX, self.id)
            pipe.exists(keys.RESULT_PREFIX + self.id)
            pipe.time()
            running, held, due_ms, retry_ms, died_ms, result, now = await client.in_time(
                pipe.execute()
            )
        if running or held:
            return JobState.RUNNING
        if due_ms is not None:
            if due_ms <= now[0] * 1000 + now[1] / 1000:
                return JobState.READY
            return JobState.SCHEDULED if retry_ms is None else JobState.RETRYING
        if died_ms is not None:
            return JobState.DEAD
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
        refuse("result", optional(seconds("timeout_s", timeout_s), timeout_s))
        pause_s = _FIRST_PAUSE_S
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    has_ended, data = await self._ask()
                except (RedisError, OSError) as error:
                    if not is_passing(error):
                        raise
                    has_ended, data = False, None
                if has_ended and data is not None:
                    return self._unpack(data)
                if has_ended:
                    raise ResultNotFoundError(
                        f"{self.id}: no such job in {self.queue}, or its result is not kept"
                    )
                await asyncio.sleep(pause_s)
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def _ask(self) -> tuple[bool, bytes | None]:
        """Return whether the job has ended, and its result: read last, so none is missed."""
        has_ended = await self.state() in {JobState.DONE, JobState.DEAD, JobState.UNKNOWN}
        client = current_client()
        return has_ended, await client.in_time(client.get(keys.RESULT_PREFIX + self.id))

    async def abort(self) -> None:
        """
        Ask the job to stop: a running one is cancelled, a waiting one never starts.

        Raises:
            RedisError: Redis did not answer within the client's `call_timeout_s`; it may yet.
        """
        client = current_client()
        await client.in_time(Admin(client).abort(self.queue, self.id))

    def _unpack(self, data: bytes) -> R:
        fields: dict[str, Any] = decode(data)
        result = fields["r"]
        if fields["s"]:
            value: R = result if self.job is None else self.job.schema.read_result(result)
            return value
        raise JobFailedError(
            self.id, result["error"], result["message"], result.get("traceback", "")
        )
