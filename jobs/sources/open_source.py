"""Open a source wherever it lies: find out what it is, read it, and keep it for the next caller."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources import daily_csv, feed, samples, video_csv
from jobs.sources.cache import SourceCache
from jobs.sources.detect import kind_of
from jobs.sources.document import read_document
from jobs.sources.fetch import fetch
from jobs.sources.location import absolute, is_address, is_samples
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.sources.document import Document
    from jobs.sources.source import Source

_PARSERS: Mapping[str, Callable[[Document], Source]] = {
    daily_csv.KIND: daily_csv.parse,
    video_csv.KIND: video_csv.parse,
    feed.KIND: feed.parse,
}
_CACHE = SourceCache(size=32)


async def open_source(location: str, kind: str | None = None) -> Source:
    """
    Return the source at *location*: a path, an http(s) address, `samples:` or `samples:NAME`.

    With *kind* (`daily-csv`, `video-csv`, `feed`, `samples`) it must be of that kind. Files are
    read and parsed in a thread and kept until they change; addresses are fetched every time.

    Raises:
        SourceError: It cannot be read, or is not of that kind.
        UnrecognisedError: It is nothing that a source is made of.
    """
    source = await _open(absolute(location))
    if kind is not None and source.ref.kind != kind:
        raise SourceError(location, f"is of the kind {source.ref.kind}, not {kind}")
    return source


async def _open(location: str) -> Source:
    if is_samples(location):
        return samples.open_samples(location)
    if is_address(location):
        document = await fetch(location)
        return await asyncio.to_thread(_parse, document)
    return await _open_file(location)


async def _open_file(location: str) -> Source:
    key = (location, *_version(location))
    source = _CACHE.get(key)
    if source is not None:
        return source
    return await asyncio.to_thread(_CACHE.get_or_read, key, lambda: _parse(read_document(location)))


def _version(location: str) -> tuple[int, ...]:
    """What a file is now. One that cannot be looked at cannot be read either: nothing is kept."""
    try:
        status = Path(location).stat()
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parse(document: Document) -> Source:
    return _PARSERS[kind_of(document)](document)
