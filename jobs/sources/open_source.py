"""
Open one source, wherever it lies: recognise it, read it, and keep it for the next caller.

What is in it came from outside: `open_path` and `open_text` run apart (`jobs.apart`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jobs import apart
from jobs.channel.records import (
    ChannelGain,
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    ItemGain,
    ItemRecord,
    ItemSnapshot,
    Platform,
    Reject,
    SourceRef,
)
from jobs.sources.cache import SourceCache
from jobs.sources.csv import csv_source
from jobs.sources.csv.csv_source import CsvSource, mapped_kind, mapping_in, open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.fact_files import FactFiles
from jobs.sources.csv.layout import Companion, Layout, RowRule
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import text_file
from jobs.sources.feed import feed
from jobs.sources.feed.entry import Entry
from jobs.sources.feed.feed import Feed
from jobs.sources.fetch import fetch
from jobs.sources.guard import read_apart, reading_errors
from jobs.sources.location import (
    FilePath,
    FolderPath,
    SampleName,
    WebAddress,
    YoutubeLocation,
    absolute,
    parse,
)
from jobs.sources.recognise import recognise
from jobs.sources.samples import open_samples
from jobs.sources.source import SourceError, UnrecognisedError
from jobs.sources.studio import export
from jobs.sources.studio.export import StudioExport, open_studio
from jobs.sources.studio.role import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.document import Document, Text
    from jobs.sources.location import Location
    from jobs.sources.recognise import Recognised
    from jobs.sources.source import Source

    Fetch = Callable[[str], Awaitable[Document]]

T = TypeVar("T")

CACHE = SourceCache(size=32)
"""The sources of this process."""

_KINDS = (CsvSource, Feed, StudioExport)
_SOURCES = (
    *(*_KINDS, FactFiles, Layout, RowRule, Companion, Entry, Role),
    *(ChannelReading, ChannelRecord, ItemRecord, Reject, SourceRef, Platform),
    *(ChannelSnapshot, ItemSnapshot, ChannelGain, ItemGain),
)
"""What a source is made of; `Listing` is made of it here."""


async def open_source(
    location: str,
    kind: str | None = None,
    *,
    mapping: str | None = None,
    fact_cache: FactCache | None = None,
    fetch: Fetch = fetch,
    run: apart.Run = apart.in_thread,
) -> Source:
    """
    Return the source at *location*, as `open_location` does.

    Raises:
        SourceError: It cannot be read, or is not of that kind.
        UnrecognisedError: No source is made of what is there.
    """
    return await open_location(
        parse(location), kind, mapping=mapping, fact_cache=fact_cache, fetch=fetch, run=run
    )


async def open_location(
    location: Location,
    kind: str | None = None,
    *,
    mapping: str | None = None,
    fact_cache: FactCache | None = None,
    fetch: Fetch = fetch,
    run: apart.Run = apart.in_thread,
) -> Source:
    """
    Return the source at *location*, which is anything but a channel on YouTube.

    With *kind* (`csv`, `studio`, `feed`, `samples`) it must be of that kind; `csv+PATH` is a CSV
    read by the mapping file at PATH, as is one with *mapping*. Files are read by *run* and kept
    until they change; addresses are fetched every time, by *fetch*, whose signals pass through.
    *fact_cache* keeps the facts of CSVs, for other processes too.

    Raises:
        SourceError: It cannot be read, or is not of that kind.
        UnrecognisedError: No source is made of what is there.
    """
    mapping = mapping_in(kind or "") or (absolute(mapping) if mapping else None)
    source = await _open(location, mapping, fact_cache or temporary_fact_cache(), fetch, run)
    if kind is not None and source.ref.kind != kind:
        raise SourceError(location.text, f"is of kind {source.ref.kind}, not {kind}")
    return source


async def _open(
    location: Location, mapping: str | None, fact_cache: FactCache, fetch: Fetch, run: apart.Run
) -> Source:
    reader = Apart(run, fact_cache, mapping)
    match location:
        case SampleName():
            return open_samples(location)
        case YoutubeLocation():
            reason = "is a channel on YouTube, which only its Data API can read"
            raise SourceError(location.text, reason)
        case WebAddress():
            document = await fetch(location.text)
            size = len(document.content)
            return await reader.read(location, size, open_text, document, mapping, fact_cache)
        case FilePath() | FolderPath():
            key = key_of(location, mapping)
            size = size_of(location)
            read = partial(reader.read, location, size, open_path, location, mapping, fact_cache)
            return await CACHE.get_or_read(key, read)


@dataclass(frozen=True, slots=True)
class Apart:
    """Reads sources by *run*, and trusts no answer: what is read may have taken the reader over."""

    run: apart.Run
    fact_cache: FactCache
    mapping: str | None = None

    async def read(
        self, location: Location, size: int, function: Callable[..., T], *args: Any
    ) -> T:
        """
        Return what *function* makes of the *size* bytes at *location*: a source, or its role.

        Raises:
            SourceError: It cannot be read, or would have this process read something else later.
        """
        place = location.text
        found = await read_apart(self.run, place, size, function, *args, returns=_SOURCES)
        if isinstance(found, Role):
            return found
        if not isinstance(found, _KINDS) or not self._leads_here(found, place):
            raise SourceError(place, "cannot be read: it was taken for another place")
        return found

    def _leads_here(self, found: CsvSource | Feed | StudioExport, place: str) -> bool:
        kinds = [csv_source.KIND, feed.KIND, export.KIND]
        if self.mapping is not None:
            kinds.append(mapped_kind(self.mapping))
        return found.ref in [SourceRef(kind, place) for kind in kinds] and (
            not isinstance(found, CsvSource) or self.fact_cache.holds(found.files)
        )


def open_path(
    location: FilePath | FolderPath, mapping: str | None, fact_cache: FactCache
) -> Source:
    """
    Read the file, or the tables of a Studio export in the folder.

    Raises:
        SourceError: It cannot be read.
    """
    if isinstance(location, FilePath):
        with reading_errors(location.text):
            return open_text(text_file(location.text), mapping, fact_cache)
    with reading_errors(location.text):
        tables = list(_tables_in(location))
        if not tables:
            raise UnrecognisedError(location.text, "is a folder, not a file")
        return open_studio(location.text, tables)


def open_text(text: Text, mapping: str | None, fact_cache: FactCache) -> Source:
    """
    Read *text* as whatever it is.

    Raises:
        SourceError: It cannot be read.
    """
    with reading_errors(text.location):
        described = read_mapping(mapping) if mapping is not None else None
        return open_recognised(recognise(text, described), fact_cache)


def open_recognised(found: Recognised, fact_cache: FactCache) -> Source:
    """
    Read what was recognised.

    Raises:
        SourceError: It cannot be read.
    """
    match found.layout:
        case Layout() as layout:
            return open_csv(found.text, layout, fact_cache, found.kind)
        case Role() as role:
            return open_studio(found.text.location, [(role, found.text)])
        case None:
            return feed.parse(found.text.document())


def _tables_in(folder: FolderPath) -> Iterator[tuple[Role, Text]]:
    """The tables of a Studio export in *folder*, by name."""
    for path in sorted(Path(folder.text).iterdir()):
        try:
            found = recognise(text_file(str(path)))
        except SourceError:
            continue
        if isinstance(found.layout, Role):
            yield found.layout, found.text


def key_of(
    location: FilePath | FolderPath, mapping: str | None
) -> tuple[str, str | None, tuple[tuple[int, ...], ...]]:
    """
    Return where it lies, and the versions of its file, folder and mapping.

    Other files of its folder are read with it.
    """
    path = Path(location.text)
    try:
        beside = sorted(path.iterdir()) if isinstance(location, FolderPath) else [path.parent]
    except OSError:
        beside = []
    paths = [path, *beside, *([Path(mapping)] if mapping else [])]
    return location.text, mapping, tuple(map(_version, paths))


def size_of(location: FilePath | FolderPath) -> int:
    """Return the bytes of a file as it lies there, or of all files of a folder; 0 if none."""
    path = Path(location.text)
    try:
        files = path.iterdir() if isinstance(location, FolderPath) else [path]
        return sum(each.stat().st_size for each in files)
    except (OSError, ValueError):
        return 0


def _version(path: Path) -> tuple[int, ...]:
    """Return what changes with a file; a file without it cannot be read, so nothing is kept."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
