"""
Sources that were read lately, kept for the process: channels of one file are synced one by one.

The key of a source has the version of its file (time of change, size, inode), so a file that
changed is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from jobs.sources.source import Source


@dataclass(slots=True)
class SourceCache:
    """The *size* sources used last. Safe to use from many threads."""

    size: int
    _sources: OrderedDict[Hashable, Source] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _reading: Lock = field(default_factory=Lock)

    def get(self, key: Hashable) -> Source | None:
        """Return the source of *key*, or None."""
        with self._lock:
            source = self._sources.get(key)
            if source is not None:
                self._sources.move_to_end(key)
            return source

    def get_or_read(self, key: Hashable, read: Callable[[], Source]) -> Source:
        """
        Return the source of *key*, or what *read* returns, and keep that.

        One source is read at a time, so that ten jobs that need the same one read it once;
        parsing holds the interpreter anyway. Errors are not kept.
        """
        with self._reading:
            source = self.get(key) or read()
            with self._lock:
                self._sources[key] = source
                self._sources.move_to_end(key)
                while len(self._sources) > self.size:
                    self._sources.popitem(last=False)
            return source
