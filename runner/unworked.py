"""Whether anybody works a queue that is enqueued into: a mistyped name waits for ever."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from runner.broker import keys
from runner.errors import EnqueueError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

# Not structlog's: where nobody configured logs, it prints to the service's own output.
_log = logging.getLogger("runner.enqueue")

_MOST_COMPARED = 100
_START = "start a worker"
"""Said once, whatever queues a service enqueues into before its first worker."""


class Unworked:
    """
    Looks once for each queue whether workers announce it.

    execute: sends a command to Redis; ask: over an open connection only, for a client may be closed
    while it enqueues. strict: refuse to enqueue where they do not.
    """

    def __init__(
        self,
        execute: Callable[..., Awaitable[Any]],
        ask: Callable[..., Awaitable[Any]],
        *,
        own: keys.Keys,
        strict: bool,
    ) -> None:
        self._own = own
        self._execute = execute
        self._ask = ask
        self._is_strict = strict
        self._known: set[str] = set()
        self._said_start = False

    def knows(self, queue: str) -> bool:
        """Whether *queue* was looked at: each later job spares two calls that do nothing."""
        return queue in self._known

    async def refuse(self, queue: str, job_ids: Sequence[str]) -> None:
        """
        Ask before something is enqueued, if that is to be refused.

        Raises:
            EnqueueError: No worker has announced *queue*.
        """
        if not self._is_strict or queue in self._known:
            return
        problem = await _problem(self._own, queue, self._execute)
        if problem:
            raise EnqueueError(f"{queue}: not enqueued: {problem}", job_ids=job_ids)
        self._known.add(queue)

    async def warn(self, queue: str) -> None:
        """Ask after something was enqueued, and log what is wrong."""
        if queue in self._known:
            return
        self._known.add(queue)
        problem = await _problem(self._own, queue, self._ask)
        is_first = _START in problem
        if problem and not (is_first and self._said_start):
            self._said_start = self._said_start or is_first
            _log.warning("%s: enqueued, and waits: %s", queue, problem)


async def _problem(own: keys.Keys, queue: str, send: Callable[..., Awaitable[Any]]) -> str:
    """Nothing if all is well, or if Redis does not say."""
    key = own.queue_key(queue)
    try:
        if await send("ZSCORE", own.queues, queue) is not None:
            return ""
        # A stock arq worker announces nothing, but has a line of health.
        if await send("EXISTS", key + keys.HEALTH_SUFFIX):
            return ""
        announced = await send("ZRANGE", own.queues, 0, _MOST_COMPARED - 1)
    except (RedisError, OSError, TimeoutError):
        return ""
    names = [name.decode("utf-8", "replace") for name in announced]
    close = get_close_matches(queue, names, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if not names:
        hint = f", nor any other: {_START}, such as `pipeline worker {queue}`"
    return f"no worker has announced this queue so far{hint}"
