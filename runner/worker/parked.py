"""
Jobs that a worker cannot run because its code is older or newer than theirs: they are parked.

A parked job waits outside its queue, under a label: its name, or its name with the parameters that
the worker's function does not have. A worker that knows the label claims its jobs from there, due
as before. Jobs whose name is paused wait under that, too; nobody knows it meanwhile. So jobs of a
name that nobody knows cost nothing, however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner import clock
from runner.broker.keys import PARKED_NAMES_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

_LOOK_EVERY_S = 1.0
_OPEN, _CLOSE = "(", ")"
_PAGE = 500


def label(name: str, surplus: Sequence[str]) -> str:
    """Return where jobs *name* wait whose parameters *surplus* a worker did not know."""
    return f"{name}{_OPEN}{', '.join(surplus)}{_CLOSE}"


def split(parked_as: str) -> tuple[str, list[str]]:
    """Return name and unknown parameters: the inverse of `label`; none for a bare name."""
    name, opening, inside = parked_as.rpartition(_OPEN)
    if not opening or not inside.endswith(_CLOSE):
        return parked_as, []
    return name, inside[: -len(_CLOSE)].split(", ")


class ParkedHere:
    """
    Finds what is parked in one queue and can run here.

    knows: whether jobs of a label can. on_paused: told the names that are paused, if others are.
    """

    def __init__(
        self,
        redis: Redis,
        queue_key: str,
        knows: Callable[[str], bool],
        on_paused: Callable[[frozenset[str]], None],
    ) -> None:
        self._redis = redis
        self._key = queue_key + PARKED_NAMES_SUFFIX
        self._knows = knows
        self._on_paused = on_paused
        self._paused: list[bytes] = []
        self._cursor = 0
        self._not_before = 0.0
        self.labels: list[bytes] = []
        """Those that were found last."""

    def note_paused(self, names: list[bytes]) -> None:
        """Look anew, and let no job of these names start, if others were paused before."""
        if names != self._paused:
            self._paused, self.labels, self._not_before = names, [], 0.0
            self._on_paused(frozenset(one.decode("utf-8", "backslashreplace") for one in names))

    async def look(self) -> bool:
        """
        Look for labels about once a second; return whether there are others than before.

        Raises:
            RedisError: Redis is away.
        """
        now = clock.monotonic()
        if now < self._not_before:
            return False
        self._cursor, found = await self._redis.sscan(self._key, self._cursor, count=_PAGE)
        before = self.labels
        self.labels = [one for one in found if self._knows(one.decode("utf-8", "backslashreplace"))]
        # A page without any may be followed by one that has some.
        self._not_before = now if self._cursor and not self.labels else now + _LOOK_EVERY_S
        return self.labels != before
