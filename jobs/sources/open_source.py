"""
Open one source, wherever it lies: recognise it, read it, and keep it for the next caller.

What is in it came from outside: `open_path` and `open_text` run apart (`jobs.apart`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import apart
from jobs.channel.records import Platform
from jobs.sources import identity
from jobs.sources.cache import SourceCache
from jobs.sources.container import is_container, texts_in
from jobs.sources.csv.csv_source import mapping_in, open_csv
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.guess import guess
from jobs.sources.csv.layout import Layout
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import text_file
from jobs.sources.feed import feed
from jobs.sources.feed.markup import has_feed_within, is_markup
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
from jobs.sources.studio.export import open_studio
from jobs.sources.studio.role import Role, role_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.csv.mapping import Mapping
    from jobs.sources.document import Document, Text
    from jobs.sources.location import Location
    from jobs.sources.recognise import Recognised
    from jobs.sources.source import Source

    Fetch = Callable[[str], Awaitable[Document]]

CACHE = SourceCache(size=32)
"""The sources of this process."""


async def fetched(address: str) -> Document:
    """Return what `fetch` does; what it fetches with is imported by the first address."""
    from jobs.sources.fetch import fetch

    return await fetch(address)


async def open_source(
    location: str,
    kind: str | None = None,
    *,
    mapping: str | None = None,
    fact_cache: FactCache | None = None,
    fetch: Fetch = fetched,
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
    fetch: Fetch = fetched,
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
    match location:
        case SampleName():
            return open_samples(location)
        case YoutubeLocation():
            reason = "is a channel on YouTube, which only its Data API can read"
            raise SourceError(location.text, reason)
        case WebAddress():
            document = await fetch(location.text)
            read = partial(open_text, document, mapping, fact_cache)
            return await read_apart(run, location.text, len(document.content), read)
        case FilePath() | FolderPath():
            key = key_of(location, mapping)
            read = partial(open_path, location, mapping, fact_cache)
            size = size_of(location)
            return await CACHE.get_or_read(key, lambda: read_apart(run, location.text, size, read))


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
            if is_container(location.text):
                described = read_mapping(mapping) if mapping is not None else None
                return open_container(location.text, described, fact_cache)
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


def open_container(location: str, mapping: Mapping | None, fact_cache: FactCache) -> Source:
    """
    Read the zip archive or spreadsheet at *location*: a Studio export, or the one list in it.

    Raises:
        SourceError: It cannot be read, or holds several lists.
        UnrecognisedError: No source is made of what is in it.
    """
    with reading_errors(location):
        texts = texts_in(location)
        tables: list[tuple[Role, Document]] = []
        others: list[Recognised] = []
        reasons: list[str] = []
        for text in texts:
            role = role_of(text.header.names) if mapping is None else None
            if role is not None:
                tables.append((role, text))
                continue
            if is_markup(text.head) and not has_feed_within(text.head):
                continue  # as in the archives that word processors write
            try:
                fits = mapping is not None and (len(texts) == 1 or mapping.fits(text))
                others.append(recognise(text, mapping if fits else None))
            except UnrecognisedError as error:
                reasons.append(f"{text.name} {error.reason}")
        if tables:
            return open_studio(location, tables, place=_place_of(location, tables))
        if len(others) == 1:
            return open_recognised(others[0], fact_cache)
        if others:
            names = ", ".join(each.text.name for each in others)
            reason = f"holds {len(others):,} lists: {names}"
            raise SourceError(location, reason, "Unpack it, and name their folder")
        reason = f"is an archive of no list{': ' if reasons else ''}{'; '.join(reasons)}"
        raise UnrecognisedError(location, reason)


def _place_of(location: str, tables: Sequence[tuple[Role, Document]]) -> str:
    """
    Return what names the channel of an archive: the folder within if Studio named it, else itself.

    Raises:
        SourceError: Its tables are in several folders, each maybe of another channel, or range.
    """
    folders = sorted({text.folder for _, text in tables})
    if len(folders) > 1:
        reason = f"holds exports in {len(folders)} folders: {', '.join(folders)}"
        raise SourceError(location, reason, "Unpack it, and name the folder that they are in")
    within = Path(location).parent / folders[0]
    named = not identity.is_of_place(identity.of_place(str(within), Platform.YOUTUBE).id)
    return str(within) if named else location


def mapping_for(path: str) -> str:
    """
    Return a mapping file for the list in the file at *path*, or for the first sheet of one.

    Raises:
        SourceError: It is no list, or nothing of it was understood.
    """
    with reading_errors(path):
        return guess(texts_in(path)[0] if is_container(path) else text_file(path))


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
