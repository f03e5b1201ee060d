"""Find all sources in a folder, or the one at any other location; one that fails stops no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jobs.sources.csv.csv_source import CsvSource
from jobs.sources.csv.fact_cache import temporary_fact_cache
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.document import text_file
from jobs.sources.fetch import fetch
from jobs.sources.location import FolderPath, absolute, parse
from jobs.sources.open_source import open_export, open_file, open_location
from jobs.sources.recognise import Recognised, recognise
from jobs.sources.source import Skipped, Source, SourceError, UnrecognisedError
from jobs.sources.studio.role import Role
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.csv.mapping import Mapping
    from jobs.sources.location import Location
    from jobs.sources.open_source import Fetch

Finding: TypeAlias = Source | SourceError | Skipped
"""What was found in one place: a source, why it cannot be read, or why there is none."""


async def discover(
    location: str,
    fact_cache: FactCache | None = None,
    mapping: str | None = None,
    *,
    fetch: Fetch = fetch,
) -> list[Finding]:
    """Look into *location*, as `discover_at` does."""
    try:
        place = parse(location)
    except SourceError as error:
        return [error]
    return await discover_at(place, fact_cache, mapping, fetch=fetch)


async def discover_at(
    location: Location,
    fact_cache: FactCache | None = None,
    mapping: str | None = None,
    *,
    fetch: Fetch = fetch,
) -> list[Finding]:
    """
    Look into *location* and return what is there; nothing is raised for what is damaged.

    A folder is walked with its subfolders, by name. Links to folders are not followed, and names
    that begin with a dot are left out. The tables of a Studio export in one folder are one source.
    A file of no known form, or that was read together with another, is `Skipped`. The same file
    named by itself is an error, as is a folder with nothing but such files.

    fact_cache, fetch: see `open_location`. mapping: the file at *location* is read by it; in a
    folder, those files are that have all of its columns.
    """
    try:
        if not isinstance(location, FolderPath):
            source = await open_location(
                location, mapping=mapping, fact_cache=fact_cache, fetch=fetch
            )
            return [source]
        described = read_mapping(absolute(mapping)) if mapping else None
    except SourceError as error:
        return [error]
    return await _in_folder(location.text, described, fact_cache or temporary_fact_cache())


async def _in_folder(folder: str, mapping: Mapping | None, fact_cache: FactCache) -> list[Finding]:
    folders, findings = await asyncio.to_thread(_walk, folder)
    for parent, paths in folders:
        tables: list[Recognised] = []
        for path in paths:
            found = await asyncio.to_thread(_recognised, path, mapping)
            if not isinstance(found, Recognised):
                findings.append(found)
            elif isinstance(found.layout, Role) and found.layout is not Role.SPLIT:
                tables.append(found)
            else:
                findings.append(await asyncio.to_thread(_opened, [found], parent, fact_cache))
        if tables:
            findings.append(await asyncio.to_thread(_opened, tables, parent, fact_cache))
    findings = _without_companions(findings)
    if all(isinstance(finding, Skipped) for finding in findings):
        findings.append(_nothing_in(folder, findings))
    return findings


def _recognised(path: str, mapping: Mapping | None) -> Recognised | Skipped | SourceError:
    try:
        text = text_file(path)
        return recognise(text, mapping if mapping is not None and mapping.fits(text) else None)
    except SourceError as error:
        return _skipped_or_error(error)


def _opened(files: Sequence[Recognised], folder: str, fact_cache: FactCache) -> Finding:
    """Several files are the tables of one Studio export."""
    try:
        if len(files) == 1:
            return open_file(files[0], fact_cache)
        tables = [(each.layout, each.text) for each in files if isinstance(each.layout, Role)]
        return open_export(folder, tables)
    except SourceError as error:
        return _skipped_or_error(error)


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
