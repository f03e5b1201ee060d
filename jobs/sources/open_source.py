"""Open a source wherever it lies: find out what it is, read it, and keep it for the next caller."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources import feed, samples
from jobs.sources.cache import SourceCache
from jobs.sources.csv_source import open_csv
from jobs.sources.detect import layout_in
from jobs.sources.document import TextFile, text_file
from jobs.sources.fetch import fetch
from jobs.sources.location import absolute, is_address, is_samples
from jobs.sources.shelf import temporary_shelf
from jobs.sources.source import SourceError

if TYPE_CHECKING:
    from jobs.sources.document import Document
    from jobs.sources.shelf import Shelf
    from jobs.sources.source import Source

_CACHE = SourceCache(size=32)


async def open_source(
    location: str, kind: str | None = None, *, shelf: Shelf | None = None
) -> Source:
    """
    Return the source at *location*: a path, an http(s) address, `samples:` or `samples:NAME`.

    With *kind* (`csv`, `feed`, `samples`) it must be of that kind. Files are read in a thread and
    kept until they change; addresses are fetched every time. *shelf* keeps what large files told,
    for other processes too.

    Raises:
        SourceError: It cannot be read, or is not of that kind.
        UnrecognisedError: It is nothing that a source is made of.
    """
    source = await _open(absolute(location), shelf or temporary_shelf())
    if kind is not None and source.ref.kind != kind:
        raise SourceError(location, f"is of the kind {source.ref.kind}, not {kind}")
    return source


async def _open(location: str, shelf: Shelf) -> Source:
    if is_samples(location):
        return samples.open_samples(location)
    if is_address(location):
        document = await fetch(location)
        return await asyncio.to_thread(_read, document, shelf)
    return await _open_file(location, shelf)


async def _open_file(location: str, shelf: Shelf) -> Source:
    key = (location, *_version(location))
    source = _CACHE.get(key)
    if source is not None:
        return source
    return await asyncio.to_thread(
        _CACHE.get_or_read, key, lambda: _read(text_file(location), shelf)
    )


def _version(location: str) -> tuple[int, ...]:
    """What a file is now. One that cannot be looked at cannot be read either: nothing is kept."""
    try:
        status = Path(location).stat()
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(text: Document | TextFile, shelf: Shelf) -> Source:
    layout = layout_in(text)
    if layout is not None:
        return open_csv(text, layout, shelf)
    return feed.parse(text.document() if isinstance(text, TextFile) else text)
