"""
The client of threads that have no event loop: `enqueue_sync`, and what handles ask.

It checks, encodes, and sends by the same script as the client of an event loop.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from runner import clock
from runner.admin import Admin
from runner.broker.blocking import BlockingPool, BlockingScript, finished
from runner.broker.outage import is_passing
from runner.broker.outbox import answer_of, problem_of
from runner.broker.scripts import ENDED, ENQUEUE
from runner.enqueuer import Sender

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from redis.asyncio import Redis

    from runner.broker.outbox import Answer, Block
    from runner.enqueue import ClientMiddleware, Enqueue

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.03
_SHORTEST_WAIT_S = 0.05
"""Even a caller with no time left gets a result that is there."""
_LOOK_EVERY_S = 1.0
"""How often to look whether a job has ended and left no result."""


class BlockingClient:
    """
    Calls to the Redis of *client* that block their thread; for any number of threads.

    timeout_s: how long a call waits for Redis in all.
    """

    def __init__(
        self,
        client: Redis,
        middleware: Sequence[ClientMiddleware],
        *,
        timeout_s: float,
        max_body_bytes: int,
        strict_queues: bool,
    ) -> None:
        self.pool = BlockingPool(client, timeout_s=timeout_s)
        self.own_keys = self.pool.own_keys
        self._script = BlockingScript(self.pool, ENQUEUE)
        self._sender = _BlockingSender(
            self._script,
            middleware,
            timeout_s=timeout_s,
            max_body_bytes=max_body_bytes,
            strict_queues=strict_queues,
        )

    def put(self, request: Enqueue) -> bool:
        """Enqueue one job as `Sender.put` does."""
        outer = self._script.begin()
        try:
            return finished(self._sender.put(request))
        finally:
            self._script.end(outer)

    def put_many(self, requests: Sequence[Enqueue]) -> list[bool]:
        """Enqueue many as `Sender.put_many` does."""
        outer = self._script.begin()
        try:
            return finished(self._sender.put_many(requests))
        finally:
            self._script.end(outer)

    def wait(self, queue: str, job_id: str, *, timeout_s: float | None) -> bytes | None:
        """
        Return the job's result once it has ended, through outages; None if none is kept.

        Raises:
            RedisError: Redis refuses the question.
            TimeoutError: The job had not ended after *timeout_s* seconds.
        """
        until = None if timeout_s is None else clock.monotonic() + timeout_s
        pause_s, look_at = _FIRST_PAUSE_S, clock.monotonic()
        while True:
            left_s = math.inf if until is None else max(0.0, until - clock.monotonic())
            within_s = max(_SHORTEST_WAIT_S, left_s)
            try:
                result = self._result(job_id, within_s)
                if result is None and clock.monotonic() >= look_at:
                    look_at = clock.monotonic() + _LOOK_EVERY_S
                    if self._has_ended(queue, job_id, within_s):
                        # Read last, so that a result which was written meanwhile is not missed.
                        return self._result(job_id, within_s)
            except (RedisError, OSError) as error:
                if not is_passing(error):
                    raise
            else:
                if result is not None:
                    return result
            if until is not None and clock.monotonic() >= until:
                raise TimeoutError(f"{job_id} had not ended after {timeout_s:g} s")
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    def abort(self, queue: str, job_id: str) -> None:
        """Abort a job as `Admin.abort` does."""
        finished(Admin(cast("Redis", _Answered(self.pool))).abort(queue, job_id))

    def _result(self, job_id: str, within_s: float) -> bytes | None:
        [[result]] = self.pool.run(
            ("MGET", self.own_keys.result_prefix + job_id), within_s=within_s
        )
        return result if result is None else bytes(result)

    def _has_ended(self, queue: str, job_id: str, within_s: float) -> bool:
        command = ("EVAL", ENDED, 2, self.own_keys.queue_key(queue), self.own_keys.base, job_id)
        [[ended]] = self.pool.run(command, within_s=within_s)
        return bool(ended)

    def close(self) -> None:
        """Close the connections; a later call connects again."""
        self.pool.close()


class _Answered:
    """A pool whose answers can be awaited: they are there at once."""

    def __init__(self, pool: BlockingPool) -> None:
        self._pool = pool
        self.own_keys = pool.own_keys

    async def eval(self, *command: Any) -> Any:
        [reply] = self._pool.run(("EVAL", *command))
        return reply


class _BlockingSender(Sender):
    """What it gives to await never waits for an event loop."""

    _script: BlockingScript

    async def _push(self, queue: str, jobs: list[Block]) -> list[Answer]:
        self._script.own_keys.queue_key(queue)  # or this raises: it has another prefix
        self._script.restart_time()
        try:
            return [answer_of(reply) for reply in await self._send(queue, jobs)]
        except Exception as error:
            raise problem_of(queue, jobs, error) from error

    async def _together(self, calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        waiting = list(calls)
        try:
            return [await waiting.pop(0) for _ in calls]
        finally:
            for call in waiting:
                call.close()

    async def _pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 -- its thread has no event loop
