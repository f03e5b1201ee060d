"""Find all sources in a folder, or the one at a path or address; damage in one stops no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jobs.sources.csv.csv_source import CsvSource
from jobs.sources.csv.mapping import read_mapping
from jobs.sources.csv.table import header_of
from jobs.sources.document import text_file
from jobs.sources.fetch import fetch
from jobs.sources.location import absolute, is_address, is_samples
from jobs.sources.open_source import open_source
from jobs.sources.source import Skipped, Source, SourceError, UnrecognisedError
from jobs.sources.studio.table import role_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.sources.csv.fact_cache import FactCache
    from jobs.sources.open_source import Fetch

Finding: TypeAlias = Source | SourceError | Skipped
"""What was found in one place: a source, why it cannot be read, or that it is none."""


async def discover(
    location: str,
    fact_cache: FactCache | None = None,
    mapping: str | None = None,
    *,
    fetch: Fetch = fetch,
) -> list[Finding]:
    """
    Look into *location* and return what is there; nothing is raised for what is damaged.

    A folder is walked with its subfolders, by name; links to folders are not followed, and
    names that begin with a dot are passed over. The tables of a Studio export in one folder are
    one source. A file that is text of no known form, or not text, or was read together with
    another, is `Skipped`. The same file named by itself is an error, as is a folder in which
    there is nothing but such files.

    fact_cache, fetch: see `open_source`. mapping: *location* is read by it; in a folder,
    those files are that have all of its columns.
    """
    location = absolute(location)
    if is_samples(location) or is_address(location) or not _is_folder(location):
        return [await _open(location, fact_cache, mapping, fetch)]
    paths, findings = await asyncio.to_thread(_walk, location)
    for path in paths:
        fits = mapping is not None and await asyncio.to_thread(_fits, path, mapping)
        found = await _open(path, fact_cache, mapping if fits else None, fetch)
        findings.append(_skipped(found) if isinstance(found, UnrecognisedError) else found)
    findings = _told_once(findings)
    if all(isinstance(finding, Skipped) for finding in findings):
        findings.append(_nothing_in(location, findings))
    return findings


def _told_once(findings: list[Finding]) -> list[Finding]:
    """Lists of channels that were read with another list are no sources of their own."""
    read_with = {
        beside: finding.ref.location
        for finding in findings
        if isinstance(finding, CsvSource)
        for beside in finding.beside
        if finding.layout.has_items()
    }
    return [
        Skipped(finding.ref.location, f"was read with {Path(read_with[finding.ref.location]).name}")
        if isinstance(finding, CsvSource)
        and finding.ref.location in read_with
        and not finding.layout.has_items()
        else finding
        for finding in findings
    ]


def _fits(path: str, mapping: str) -> bool:
    try:
        read_mapping(mapping).check(path, header_of(text_file(path).head()))
    except SourceError:
        return False
    return True


def _is_folder(location: str) -> bool:
    return os.path.isdir(location)  # noqa: PTH112 -- Path.is_dir raises where it may not look


async def _open(
    location: str, fact_cache: FactCache | None, mapping: str | None, fetch: Fetch
) -> Source | SourceError:
    try:
        return await open_source(location, fact_cache=fact_cache, mapping=mapping, fetch=fetch)
    except SourceError as error:
        return error


def _walk(folder: str) -> tuple[list[str], list[Finding]]:
    """The files under *folder*, and the folders that may not be looked into."""
    paths: list[str] = []
    closed: list[Finding] = []

    def note(error: OSError) -> None:
        reason = f"cannot be looked into ({error.strerror or error})"
        closed.append(SourceError(error.filename or folder, reason, "Change its mode"))

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = _visible(folders)
        found = [Path(parent, name) for name in _visible(files)]
        tables = [path for path in found if role_at(path) not in {None, "split"}]
        paths += [str(path) for path in found if path not in tables]
        paths += [str(path) for path in tables] if len(tables) == 1 else [parent] * bool(tables)
    return paths, closed


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _skipped(error: UnrecognisedError) -> Skipped:
    return Skipped(error.location, error.reason)


def _nothing_in(folder: str, skipped: list[Finding]) -> SourceError:
    files = f"{len(skipped)} file{'' if len(skipped) == 1 else 's'}"
    reason = f"holds no source: {files} of no known form" if skipped else "is empty"
    return SourceError(folder, reason, "Name a folder with feeds, daily counters or video lists")
