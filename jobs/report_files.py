"""Where rendered files are, and how they are written: completely or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PLAIN: Final = re.compile(r"(?:[a-z]+:)?[A-Za-z0-9_-]{1,80}")
_UNFINISHED: Final = ".part"
_ABANDONED_S: Final = 3600.0


def file_path(folder: Path, channel_id: str, chart_key: str | None, file_format: str) -> Path:
    """Return the path under *folder* of a channel's chart or, with None, its report."""
    return folder / folder_name(channel_id) / f"{chart_key or 'report'}.{file_format}"


def folder_name(channel_id: str) -> str:
    """
    Return a channel's id as the name of a folder on every system.

    An id with other characters than letters, digits and a leading kind gets eight digits of its
    hash, so that two channels never share a folder.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "-", channel_id)[:80]
    if _PLAIN.fullmatch(channel_id):
        return name
    return f"{name}-{hashlib.sha256(channel_id.encode()).hexdigest()[:8]}"


def write_whole(path: Path, content: bytes) -> None:
    """
    Make *path* hold *content*: a reader finds all of it, the former content, or nothing.

    It is on disk before it is renamed to *path*, so a crash of the machine leaves no half of it.
    Concurrent writers do not conflict: each writes a file of its own, and the last one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_pages(path: Path, pages: Sequence[bytes]) -> list[Path]:
    """
    Write *pages*: the first to *path*, the others beside it as `report-2.png`, `report-3.png` ….

    Further pages that a longer report left there are removed. Returns all paths, in order.
    """
    paths = [path, *(_page(path, number) for number in range(2, len(pages) + 1))]
    for one, content in zip(paths, pages, strict=True):
        write_whole(one, content)
    number = len(pages) + 1
    while (left := _page(path, number)).is_file():
        left.unlink(missing_ok=True)
        number += 1
    return paths


def _page(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _remove_abandoned(path: Path) -> None:
    """The next writer removes what a killed one left of this file."""
    long_ago = time.time() - _ABANDONED_S
    for left in path.parent.glob(f".{path.name}.*{_UNFINISHED}"):
        try:
            if left.stat().st_mtime < long_ago:
                left.unlink()
        except FileNotFoundError:
            continue
