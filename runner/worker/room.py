"""
The workers of one event loop, and who of them runs a suspect alone.

A suspect is a job that was lost with its worker once. It runs while nothing else runs in the
process: if that dies again, nobody else is blamed. So the workers that share an event loop, as
those of a fleet do, make room for each other.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.worker.life import Life


class Room:
    """The workers of one event loop."""

    def __init__(self) -> None:
        self._members: dict[Life, Mapping[Any, None]] = {}
        self._alone: Life | None = None

    @classmethod
    def here(cls) -> Room:
        """Return the room of the running event loop."""
        return _by_loop.setdefault(asyncio.get_running_loop(), cls())

    def enter(self, life: Life, held: Mapping[Any, None]) -> None:
        """Add a worker. held: the jobs that it holds, kept up to date by the worker."""
        self._members[life] = held

    def leave(self, life: Life) -> None:
        """Remove a worker."""
        self.release(life)
        self._members.pop(life, None)

    @property
    def is_empty(self) -> bool:
        """
        Whether no worker holds a job.

        A job that ignored its cancellation and was left behind does not count: it may never end,
        and suspects would wait for ever.
        """
        return not any(self._members.values())

    def may_start(self, life: Life) -> bool:
        """Whether this worker may start jobs: nobody else has reserved the room."""
        return self._alone is None or self._alone is life

    def reserve(self, life: Life) -> bool:
        """Let no other worker start jobs until `release`; False if another has done this."""
        if not self.may_start(life):
            return False
        self._alone = life
        return True

    def release(self, life: Life) -> None:
        """Let all start jobs again."""
        if self._alone is life:
            self._alone = None
            for member in self._members:
                member.changed.set()

    def emptied(self) -> None:
        """Note that a worker holds nothing any more: who waits for an empty room looks again."""
        if self._alone is not None:
            self._alone.changed.set()


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Room] = weakref.WeakKeyDictionary()
