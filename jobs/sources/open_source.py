"""Open a source wherever it lies: find out what it is, read it, and keep it for the next caller."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources import samples
from jobs.sources.cache import SourceCache
from jobs.sources.csv.csv_source import KIND, open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.csv.table import header_of
from jobs.sources.document import TextFile, text_file
from jobs.sources.feed import feed
from jobs.sources.fetch import fetch
from jobs.sources.location import absolute, is_address, is_samples
from jobs.sources.recognise import layout_in
from jobs.sources.source import SourceError
from jobs.sources.studio.export import open_studio
from jobs.sources.studio.table import role_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.document import Document
    from jobs.sources.source import Source

    Fetch = Callable[[str], Awaitable[Document]]

_CACHE = SourceCache(size=32)
_MAPPED = f"{KIND}+"


async def open_source(
    location: str,
    kind: str | None = None,
    *,
    mapping: str | None = None,
    fact_cache: FactCache | None = None,
    fetch: Fetch = fetch,
) -> Source:
    """
    Return the source at *location*: a path, an http(s) address, `samples:` or `samples:NAME`.

    With *kind* (`csv`, `studio`, `feed`, `samples`) it must be of that kind; `csv+PATH` is a CSV
    read by the mapping file at PATH, as is one with *mapping*. Files are read in a thread and kept
    until they change; addresses are fetched every time, by *fetch*, whose signals pass through.
    *fact_cache* keeps what large files told, for other processes too.

    Raises:
        SourceError: It cannot be read, or is not of that kind.
        UnrecognisedError: It is nothing that a source is made of.
    """
    named = kind.removeprefix(_MAPPED) if kind and kind.startswith(_MAPPED) else None
    mapping = named or (absolute(mapping) if mapping else None)
    source = await _open(absolute(location), mapping, fact_cache or temporary_fact_cache(), fetch)
    if kind is not None and source.ref.kind != kind:
        raise SourceError(location, f"is of the kind {source.ref.kind}, not {kind}")
    return source


async def _open(location: str, mapping: str | None, fact_cache: FactCache, fetch: Fetch) -> Source:
    if is_samples(location):
        return samples.open_samples(location)
    if is_address(location):
        document = await fetch(location)
        return await asyncio.to_thread(_read, document, mapping, fact_cache)
    key = (location, mapping, _versions(location, mapping))
    source = _CACHE.get(key)
    if source is not None:
        return source
    return await asyncio.to_thread(
        _CACHE.get_or_read, key, lambda: _read_path(location, mapping, fact_cache)
    )


def _versions(location: str, mapping: str | None) -> tuple[tuple[int, ...], ...]:
    """What the file is now, its folder (others there are read with it), and the mapping."""
    path = Path(location)
    try:
        beside = sorted(path.iterdir()) if path.is_dir() else [path.parent]
    except (OSError, ValueError):
        beside = []
    return tuple(map(_version, [path, *beside, *([Path(mapping)] if mapping else [])]))


def _version(path: Path) -> tuple[int, ...]:
    """What a file is now. One that cannot be looked at cannot be read either: nothing is kept."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_path(location: str, mapping: str | None, fact_cache: FactCache) -> Source:
    if os.path.isdir(location):  # noqa: PTH112 -- Path.is_dir raises where it may not look
        return open_studio(location)
    return _read(text_file(location), mapping, fact_cache)


def _read(text: Document | TextFile, mapping: str | None, fact_cache: FactCache) -> Source:
    if mapping is not None:
        mapped = read_mapping(mapping)
        mapped.check(text.location, header_of(text.head()))
        return open_csv(text, mapped.layout, fact_cache, f"{_MAPPED}{mapping}")
    if isinstance(text, TextFile) and role_of(header_of(text.head())) is not None:
        return open_studio(text.location)
    layout = layout_in(text)
    if layout is not None:
        return open_csv(text, layout, fact_cache)
    return feed.parse(text.document() if isinstance(text, TextFile) else text)
