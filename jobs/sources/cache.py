"""
Sources that were read lately, kept for the process: channels of one file are synced one by one.

The key of a source has the version of its file (time of change, size, inode), so a file that
changed is read again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from jobs.sources.source import Source


@dataclass(slots=True)
class SourceCache:
    """The *size* sources used last."""

    size: int
    _sources: OrderedDict[Hashable, Source] = field(default_factory=OrderedDict)
    _reading: WeakValueDictionary[Hashable, asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    def keep(self, key: Hashable, source: Source) -> None:
        """Keep *source* under *key*; the one that was used longest ago goes for it."""
        self._sources[key] = source
        self._sources.move_to_end(key)
        while len(self._sources) > self.size:
            self._sources.popitem(last=False)

    async def get_or_read(self, key: Hashable, read: Callable[[], Awaitable[Source]]) -> Source:
        """
        Return the source of *key*, or what *read* returns, and keep that.

        Ten jobs that need the same one read it once. Errors are not kept.
        """
        lock = self._reading.setdefault(key, asyncio.Lock())
        async with lock:
            source = self._sources.get(key) or await read()
            self.keep(key, source)
            return source
