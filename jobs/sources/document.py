"""
The bytes of one file or address, unpacked, with what is known of their age.

What is packed by gzip is told by its first two bytes, whatever its name says.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from jobs.sources.source import SourceError, UnrecognisedError

if TYPE_CHECKING:
    import os

MAX_BYTES = 256 * 1024 * 1024
"""No document may be larger than this, unpacked: it is held in memory as a whole."""

_GZIP_MAGIC = b"\x1f\x8b"
_HEAD_BYTES = 64 * 1024
_FETCH_AGAIN = "Copy or download it again"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b"))
_MAX_CONTROL_SHARE = 0.02
_KNOWN_BINARIES = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    _GZIP_MAGIC: "packed twice",
}


@dataclass(frozen=True, slots=True)
class Document:
    """
    One document, unpacked. *name* is its file name, without folders.

    *modified_at* is told by files, *fetched_at* by addresses (the server's own clock).
    """

    location: str
    name: str
    content: bytes
    modified_at: datetime | None = None
    fetched_at: datetime | None = None


def read_document(location: str, max_bytes: int = MAX_BYTES) -> Document:
    """
    Read the file at the path *location*.

    Raises:
        SourceError: It is missing, unreadable, empty, damaged or too large.
        UnrecognisedError: It is not a file with text in it.
    """
    path = Path(location)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
            raise UnrecognisedError(location, f"is {_special(status)}, not a file")
        with path.open("rb") as file:
            content = unpack(file, location, max_bytes)
    except (OSError, ValueError) as error:
        raise SourceError(location, *_trouble(error)) from error
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return Document(location, path.name, content, modified_at=modified_at)


def unpack(file: IO[bytes], location: str, max_bytes: int = MAX_BYTES) -> bytes:
    """
    Return the content of the seekable *file*, unpacked if it is packed.

    Raises:
        SourceError: It is empty, damaged, or larger than *max_bytes* when unpacked.
        UnrecognisedError: It is not text.
    """
    packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    try:
        content = _read(gzip.GzipFile(fileobj=file) if packed else file, location, max_bytes)
    except EOFError as error:
        raise SourceError(location, "is cut off: its gzip data ends early", _FETCH_AGAIN) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(location, "is damaged: its gzip data is broken", _FETCH_AGAIN) from error
    if not content.strip():
        raise SourceError(location, "is empty")
    return content


def _read(stream: IO[bytes] | gzip.GzipFile, location: str, max_bytes: int) -> bytes:
    """A video file is known by its head: no need to read gigabytes of it first."""
    head = stream.read(_HEAD_BYTES)
    if binary := _binary(head):
        raise UnrecognisedError(location, f"is {binary}, not text")
    content = head + stream.read(max_bytes + 1 - len(head))
    if len(content) > max_bytes:
        raise SourceError(location, f"is larger than {max_bytes // 2**20} MiB", "Split it")
    return content


def _binary(head: bytes) -> str | None:
    for magic, name in _KNOWN_BINARIES.items():
        if head.startswith(magic):
            return name
    if head.startswith(_BYTE_ORDER_MARKS) or head[:4].strip(b"\0").startswith(b"<"):
        return None  # UTF-16 and UTF-32 are full of zero bytes
    control = len(head) - len(head.translate(None, _CONTROL))
    return "binary data" if control > len(head) * _MAX_CONTROL_SHARE else None


def _special(status: os.stat_result) -> str:
    return "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"


def _trouble(error: OSError | ValueError) -> tuple[str, str]:
    """Tell what is wrong, and what to do."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist", "Check the path"
        case PermissionError():
            return "may not be read (permission denied)", "Change its mode or run as its owner"
        case OSError():
            return f"cannot be read ({error.strerror or error})", ""
        case _:
            return f"is no path ({error})", "Check the path"
