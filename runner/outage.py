"""
Redis away: which errors pass by themselves, and how to wait for that.

A worker outlives restarts, failovers and pauses of Redis. Everything that it says to Redis goes
through `Patience`, which waits, tells about an outage once, and about its end once.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis import exceptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_log = structlog.get_logger("runner.outage")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_PASSING_REPLY = re.compile(
    # Redis 6.2 puts its own words before what a script ran into.
    r"(?:Error running script .*: -)?"
    "(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|BUSY|OOM|MISCONF|NOREPLICAS) "
)


def is_passing(error: BaseException) -> bool:
    """Whether *error* says that Redis is away for now, rather than that we asked for nonsense."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return False
    if isinstance(
        error,
        exceptions.ConnectionError
        | exceptions.TimeoutError
        | exceptions.BusyLoadingError
        | exceptions.ReadOnlyError
        | exceptions.OutOfMemoryError
        | OSError,
    ):
        return True
    return (
        isinstance(error, exceptions.ResponseError)
        and _PASSING_REPLY.match(str(error)) is not None
    )


class Patience:
    """Repeats calls to Redis until they are answered. One for each worker, shared by its stages."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._away_since: float | None = None

    @property
    def away_s(self) -> float:
        """Seconds since Redis was last heard of, 0 while it answers."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    async def call(
        self, ask: Callable[[], Awaitable[T]], *, unless: asyncio.Event | None = None
    ) -> T:
        """
        What `ask()` returns, asked again for as long as Redis is away, unless *unless* is set.

        Raises:
            RedisError: Redis answered that the request is wrong; repeating would not help. Or it
                is away, and *unless* is set.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = await ask()
            except (exceptions.RedisError, OSError) as error:
                if not is_passing(error):
                    raise
                self.note_loss(error)
                if unless is not None and unless.is_set():
                    raise
                await asyncio.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 -- spread
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            else:
                self.note_answer()
                return answer

    def note_loss(self, error: BaseException) -> None:
        """Remember, and tell once, that Redis is away."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning(
                "Redis is away, waiting for it",
                worker=self._name,
                error=f"{type(error).__name__}: {error}",
            )

    def note_answer(self) -> None:
        """Remember, and tell once, that Redis is back."""
        if self._away_since is not None:
            away_s = time.monotonic() - self._away_since
            self._away_since = None
            _log.info("Redis is back", worker=self._name, away_s=round(away_s, 1))
