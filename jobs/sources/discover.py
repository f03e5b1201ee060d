"""Find all sources in a folder, or the one at any other location; one that fails stops no other."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jobs import apart
from jobs.sources.container import is_container
from jobs.sources.csv.csv_source import CsvSource, mapping_in
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import text_file
from jobs.sources.guard import read_apart, reading_errors
from jobs.sources.location import FilePath, FolderPath, absolute, parse
from jobs.sources.open_source import (
    CACHE,
    fetched,
    key_of,
    open_container,
    open_location,
    open_recognised,
    size_of,
)
from jobs.sources.recognise import recognise
from jobs.sources.source import Skipped, Source, SourceError, UnrecognisedError
from jobs.sources.studio.export import open_studio
from jobs.sources.studio.role import Role
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.csv.mapping import Mapping
    from jobs.sources.location import Location
    from jobs.sources.open_source import Fetch

_AT_A_TIME = 16

Finding: TypeAlias = Source | SourceError | Skipped
"""What was found in one place: a source, why it cannot be read, or why there is none."""


async def discover(
    location: str,
    fact_cache: FactCache | None = None,
    mapping: str | None = None,
    *,
    fetch: Fetch = fetched,
    run: apart.Run = apart.in_thread,
) -> list[Finding]:
    """Look into *location*, as `discover_at` does."""
    try:
        place = parse(location)
    except SourceError as error:
        return [error]
    return await discover_at(place, fact_cache, mapping, fetch=fetch, run=run)


async def discover_at(
    location: Location,
    fact_cache: FactCache | None = None,
    mapping: str | None = None,
    *,
    fetch: Fetch = fetched,
    run: apart.Run = apart.in_thread,
) -> list[Finding]:
    """
    Look into *location* and return what is there; nothing is raised for what is damaged.

    A folder is walked with its subfolders, by name. Links to folders are not followed, and names
    that begin with a dot are left out. The tables of a Studio export in one folder are one source.
    A file of no known form, or that was read together with another, is `Skipped`. The same file
    named by itself is an error, as is a folder with nothing but such files.

    fact_cache, fetch, run: see `open_location`. mapping: the file at *location* is read by it; in a
    folder, those files are that have all of its columns.
    """
    try:
        if not isinstance(location, FolderPath):
            source = await open_location(
                location, mapping=mapping, fact_cache=fact_cache, fetch=fetch, run=run
            )
            return [source]
        described = read_mapping(absolute(mapping)) if mapping else None
    except SourceError as error:
        return [error]
    reader = _FolderReader(described, fact_cache or temporary_fact_cache(), run)
    return await reader.all_in(location.text)


@dataclass(frozen=True, slots=True)
class _FolderReader:
    """Reads the files of a folder, some of them at a time; see `discover_at`."""

    mapping: Mapping | None
    fact_cache: FactCache
    run: apart.Run

    async def all_in(self, folder: str) -> list[Finding]:
        folders, findings = await asyncio.to_thread(_walk, folder)
        for parent, paths in folders:
            tables: list[tuple[Role, str]] = []
            for start in range(0, len(paths), _AT_A_TIME):
                some = paths[start : start + _AT_A_TIME]
                for path, found in zip(some, await self._read_all(some), strict=True):
                    if isinstance(found, Role):
                        tables.append((found, path))
                    else:
                        findings.append(found)
            if tables:
                findings.append(await self._export(parent, tables))
        findings = _without_companions(findings)
        if all(isinstance(finding, Skipped) for finding in findings):
            findings.append(_nothing_in(folder, findings))
        return findings

    async def _read_all(self, paths: Sequence[str]) -> list[Finding | Role]:
        return await asyncio.gather(*map(self._file, paths))

    async def _file(self, path: str) -> Finding | Role:
        """Return the source, or the role of a table that the folder's other tables belong to."""
        place = FilePath(path)
        keys: dict[str | None, Hashable] = {None: key_of(place, None)}
        if self.mapping is not None:
            keys[self.mapping.location] = key_of(place, self.mapping.location)
        try:
            found = await read_apart(
                self.run, path, size_of(place), _read_file, path, self.mapping, self.fact_cache
            )
        except SourceError as error:
            return _skipped_or_error(error)
        if not isinstance(found, Role):
            CACHE.keep(keys[mapping_in(found.ref.kind)], found)
        return found

    async def _export(self, folder: str, tables: Sequence[tuple[Role, str]]) -> Finding:
        place = FolderPath(folder)
        key = key_of(place, None)
        try:
            found = await read_apart(self.run, folder, size_of(place), _read_export, folder, tables)
        except SourceError as error:
            return _skipped_or_error(error)
        CACHE.keep(key, found)
        return found


def _read_file(path: str, mapping: Mapping | None, fact_cache: FactCache) -> Source | Role:
    with reading_errors(path):
        if is_container(path):
            return open_container(path, mapping, fact_cache)
        text = text_file(path)
        fits = mapping is not None and mapping.fits(text)
        found = recognise(text, mapping if fits else None)
        if isinstance(found.layout, Role) and found.layout is not Role.SPLIT:
            return found.layout
        return open_recognised(found, fact_cache)


def _read_export(folder: str, tables: Sequence[tuple[Role, str]]) -> Source:
    with reading_errors(folder):
        return open_studio(folder, [(role, text_file(path)) for role, path in tables])


def _skipped_or_error(error: SourceError) -> Skipped | SourceError:
    is_none = isinstance(error, UnrecognisedError)
    return Skipped(error.location, error.reason) if is_none else error


def _without_companions(findings: Sequence[Finding]) -> list[Finding]:
    """A list that was read with another, and names no items of its own, is no source."""
    read_with = {
        beside: source
        for source in findings
        if isinstance(source, CsvSource)
        for beside in source.beside
    }
    return [
        Skipped(place, f"was read with {Path(read_with[place].ref.location).name}")
        if (place := _place(finding)) in read_with and _is_companion(finding, read_with[place])
        else finding
        for finding in findings
    ]


def _place(finding: Finding) -> str:
    return finding.location if isinstance(finding, SourceError | Skipped) else finding.ref.location


def _is_companion(finding: Finding, reader: CsvSource) -> bool:
    if isinstance(finding, CsvSource):
        return reader.layout.has_items() and not finding.layout.has_items()
    return isinstance(finding, Skipped)


def _walk(folder: str) -> tuple[list[tuple[str, list[str]]], list[Finding]]:
    """The files of *folder* and of each folder below it, and the folders that cannot be opened."""
    folders: list[tuple[str, list[str]]] = []
    closed: list[Finding] = []

    def note(error: OSError) -> None:
        reason = f"cannot be opened ({error.strerror or error})"
        closed.append(SourceError(error.filename or folder, reason, "Change its mode"))

    for parent, below, files in os.walk(folder, onerror=note):
        below[:] = _visible(below)
        folders.append((parent, [str(Path(parent, name)) for name in _visible(files)]))
    return folders, closed


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _nothing_in(folder: str, skipped: list[Finding]) -> SourceError:
    reason = (
        f"holds no source: {counted(len(skipped), 'file')} of no known form"
        if skipped
        else "is empty"
    )
    return SourceError(folder, reason, "Name a folder with feeds, daily counters or video lists")
