"""Rejected rows, in a file for each source: what to correct, line by line."""

from __future__ import annotations

import contextlib
import csv
import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from jobs.channel.addresses import without_secrets
from jobs.spreadsheet import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.sources import Source


def write_rejects(source: Source, folder: Path) -> Path | None:
    """
    Write the rejects of *source* into *folder* as CSV: file, line, reason, channel.

    A source always has the same file. Without rejects the file is removed: None.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / _name(without_secrets(source.ref.location))
    if not source.rejects:
        with contextlib.suppress(OSError):  # without a folder there is no file to remove
            path.unlink(missing_ok=True)
        return None
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "line", "reason", "channel_id"))
        for each in source.rejects:
            texts = each.location, each.reason, each.channel_id or ""
            location, reason, channel_id = map(quoted, texts)
            writer.writerow((location, each.line, reason, channel_id))
    unfinished.replace(path)
    return path


def _name(location: str) -> str:
    """Two folders may hold files of one name."""
    digits = hashlib.sha256(location.encode()).hexdigest()[:8]
    stem = "".join(each if each.isalnum() else "-" for each in PurePath(location).name)
    return f"{stem[:80]}-{digits}.csv"
