"""
Outages of Redis: which errors pass by themselves, and how a worker waits until Redis is back.

A worker outlives restarts, failovers and pauses of Redis. Each call of its stages goes through
`Outage`, which waits, and logs the start and the end of an outage once each.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, TypeVar

import structlog
from redis import exceptions

from runner import chance, clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_log = structlog.get_logger("runner.outage")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_PASSING_REPLY = re.compile(
    # redis-py names the command of a pipeline; Redis 6.2 adds a prefix to the error of a script.
    r"(?:Command # \d+ \(.*\) of pipeline caused error: \(['\"])?"
    r"(?:Error running script .*: -)?"
    "(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|BUSY|OOM|MISCONF|NOREPLICAS) ",
    re.DOTALL,
)


def is_passing(error: BaseException) -> bool:
    """Whether *error* means that Redis is away for now, and not that the request is wrong."""
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
        isinstance(error, exceptions.ResponseError) and _PASSING_REPLY.match(str(error)) is not None
    )


class Outage:
    """Repeats calls while Redis is away. Each worker has one, shared by its stages."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._away_since: float | None = None
        self._was_away_s = 0.0
        self._back_since = 0.0
        self._back = asyncio.Event()

    @property
    def away_s(self) -> float:
        """Seconds since Redis was found to be away, 0 while it answers."""
        return 0.0 if self._away_since is None else clock.monotonic() - self._away_since

    async def call(
        self, ask: Callable[[], Awaitable[T]], *, unless: asyncio.Event | None = None
    ) -> T:
        """
        Return what `ask()` returns; repeat it while Redis is away, until *unless* is set.

        Raises:
            RedisError: The request is wrong, so repeating it would not help. Or Redis is away, and
                *unless* is set.
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
                await self._wait_for_an_answer(pause_s * (0.5 + chance.spread()))
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            else:
                self.note_answer()
                return answer

    async def let_others_renew(self, lease_s: float) -> None:
        """
        Wait a little before the first claim after an outage in which leases may have lapsed.

        Meanwhile living workers extend their leases, so that nobody takes their jobs for lost.
        """
        if self._was_away_s > lease_s / 2:
            renewed_at = self._back_since + min(lease_s / 6, 2 * _LONGEST_PAUSE_S)
            await asyncio.sleep(renewed_at - clock.monotonic())
            self._was_away_s = 0.0

    async def _wait_for_an_answer(self, longest_s: float) -> None:
        """Wait for *longest_s*, or until another call gets an answer; at least a moment."""
        first_s = min(longest_s, _FIRST_PAUSE_S)
        await asyncio.sleep(first_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s - first_s):
                await self._back.wait()

    def note_loss(self, error: BaseException) -> None:
        """Note that Redis is away; log it once."""
        if self._away_since is None:
            self._away_since = clock.monotonic()
            self._back.clear()
            _log.warning(
                "Redis is away, waiting for it",
                worker=self._name,
                error=f"{type(error).__name__}: {error}",
            )

    def note_answer(self) -> None:
        """Note that Redis answers; log once that it is back."""
        if self._away_since is not None:
            away_s = clock.monotonic() - self._away_since
            self._away_since = None
            self._was_away_s, self._back_since = away_s, clock.monotonic()
            self._back.set()
            _log.info("Redis is back", worker=self._name, away_s=round(away_s, 1))
