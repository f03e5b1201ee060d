"""Find all sources in a folder, or the one at a path or address; damage in one stops no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jobs.sources.location import absolute, is_address, is_samples
from jobs.sources.open_source import open_source
from jobs.sources.source import Skipped, Source, SourceError, UnrecognisedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.sources.shelf import Shelf

Finding: TypeAlias = Source | SourceError | Skipped
"""What was found in one place: a source, why it cannot be read, or that it is none."""


async def discover(location: str, shelf: Shelf | None = None) -> list[Finding]:
    """
    Look into *location* and return what is there; nothing is raised for what is damaged.

    A folder is walked with its subfolders, by name; links to folders are not followed, and
    names that begin with a dot are passed over. A file in it that is text of no known form, or
    not text, is `Skipped`. The same file named by itself is an error, as is a folder in which
    there is nothing but such files. *shelf*: see `open_source`.
    """
    location = absolute(location)
    if is_samples(location) or is_address(location) or not _is_folder(location):
        return [await _open(location, shelf)]
    paths, findings = await asyncio.to_thread(_walk, location)
    for path in paths:
        found = await _open(path, shelf)
        findings.append(_skipped(found) if isinstance(found, UnrecognisedError) else found)
    if all(isinstance(finding, Skipped) for finding in findings):
        findings.append(_nothing_in(location, findings))
    return findings


def _is_folder(location: str) -> bool:
    return os.path.isdir(location)  # noqa: PTH112 -- Path.is_dir raises where it may not look


async def _open(location: str, shelf: Shelf | None) -> Source | SourceError:
    try:
        return await open_source(location, shelf=shelf)
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
        paths += [str(Path(parent, name)) for name in _visible(files)]
    return paths, closed


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _skipped(error: UnrecognisedError) -> Skipped:
    return Skipped(error.location, error.reason)


def _nothing_in(folder: str, skipped: list[Finding]) -> SourceError:
    files = f"{len(skipped)} file{'' if len(skipped) == 1 else 's'}"
    reason = f"holds no source: {files} of no known form" if skipped else "is empty"
    return SourceError(folder, reason, "Name a folder with feeds, daily counters or video lists")
