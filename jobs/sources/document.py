"""
The bytes of one file or address, unpacked, with its head, its header, and what is known of its age.

Its first two bytes say whether gzip packed it, whatever its name says.
"""

from __future__ import annotations

import gzip
import hashlib
import stat
import sys
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from jobs.sources.header import header_at, header_of
from jobs.sources.source import SourceError, UnrecognisedError
from jobs.sources.text import NoTextError
from runner.wording import size as size_in_words

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from jobs.sources.header import Header

MAX_BYTES = 256 * 1024 * 1024
"""The most bytes of a document that is held in memory as a whole: a feed, or what is fetched."""

_STEP_BYTES = 1024 * 1024
_UNPACKED_ANYWAY = 64 * 1024 * 1024
_MOST_TIMES_PACKED = 200
"""Lists unpack to 5 to 30 times their size; gzip can make it 1,000 times."""

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
class HeaderReading:
    """
    How the header of a text is read, where someone knows more than the text says.

    line: where it stands, counted from 1. known: what it is.
    """

    line: int | None = None
    known: Header | None = None

    def header(self, head: bytes) -> Header:
        """Return the header in *head*, the beginning of the text."""
        if self.known is not None:
            return self.known
        return header_of(head) if self.line is None else header_at(head, self.line)


class Text(Protocol):
    """
    Text that can be read from its beginning, any number of times. *name* is its file name.

    head: its first 64 KiB, unpacked. header: the first line that is not blank, as columns.
    modified_at: of a file. fetched_at: of an address, by the server's own clock.
    """

    @property
    def location(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def modified_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def fetched_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def head(self) -> bytes: ...  # noqa: D102
    @property
    def header(self) -> Header: ...  # noqa: D102

    def open(self) -> IO[bytes]:
        """Open it; what is read is unpacked."""
        ...

    def digest(self) -> str:
        """Return hexadecimal digits of its content, packed or not."""
        ...

    def read_as(self, reading: HeaderReading) -> Text:
        """Return it with the header that *reading* makes of it."""
        ...

    def document(self) -> Document:
        """
        Return it as a whole.

        Raises:
            SourceError: It is damaged or too large.
        """
        ...


@dataclass(frozen=True)
class Document:
    """
    A `Text` that is held in memory as a whole.

    validators: what a server knows this version of the document by (ETag, Last-Modified). folder:
    where it lies within an archive.
    """

    location: str
    name: str
    content: bytes
    modified_at: datetime | None = None
    fetched_at: datetime | None = None
    validators: Mapping[str, str] = field(default_factory=dict)
    reading: HeaderReading = HeaderReading()
    folder: str = ""

    @property
    def head(self) -> bytes:
        """See `Text`."""
        return self.content[:_HEAD_BYTES]

    @cached_property
    def header(self) -> Header:
        """See `Text`."""
        return self.reading.header(self.head)

    def open(self) -> IO[bytes]:
        """See `Text`."""
        return BytesIO(self.content)

    def digest(self) -> str:
        """See `Text`."""
        return hashlib.sha256(self.content).hexdigest()

    def read_as(self, reading: HeaderReading) -> Document:
        """See `Text`."""
        return replace(self, reading=reading)

    def document(self) -> Document:
        """See `Text`."""
        return self


@dataclass(frozen=True)
class TextFile:
    """A `Text` in a file, unpacked as it is read: it never has to fit into memory."""

    location: str
    modified_at: datetime
    packed: bool
    head: bytes = field(repr=False)
    fetched_at: None = None
    reading: HeaderReading = HeaderReading()

    @property
    def name(self) -> str:
        """See `Text`."""
        return Path(self.location).name

    @cached_property
    def header(self) -> Header:
        """See `Text`."""
        return self.reading.header(self.head)

    def open(self) -> IO[bytes]:
        """See `Text`."""
        return _opened(self.location, packed=self.packed)

    def digest(self) -> str:
        """See `Text`."""
        with Path(self.location).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read_as(self, reading: HeaderReading) -> TextFile:
        """See `Text`."""
        return replace(self, reading=reading)

    def document(self) -> Document:
        """See `Text`."""
        return read_document(self.location)


class Unpacked(gzip.GzipFile):
    """
    What gzip packed, read through; it must not unpack to far more than a text could.

    A few hundred kilobytes can unpack to as many megabytes, which take minutes to look through.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file)
        self._packed = file
        self._given = 0

    def read(self, size: int | None = -1) -> bytes:
        """
        Read up to *size* bytes.

        Raises:
            UnpacksTooFarError: There is far more than of what was packed until here.
        """
        left = sys.maxsize if size is None or size < 0 else size
        parts = []
        while left and (part := super().read(min(left, _STEP_BYTES))):
            parts.append(part)
            left -= len(part)
            self._given += len(part)
            # Only what was read counts: what follows may be there for the sake of its size.
            if self._given > max(_UNPACKED_ANYWAY, _MOST_TIMES_PACKED * self._packed.tell()):
                raise UnpacksTooFarError(size_in_words(self._given))
        return b"".join(parts)

    def close(self) -> None:
        """Close the file, too."""
        super().close()
        self._packed.close()


class UnpacksTooFarError(ValueError):
    """Gzip data unpacks to far more than it takes; the message says how much was seen."""

    def at(self, location: str) -> SourceError:
        """Return what to say of the source at *location*."""
        reason = (
            f"unpacks to {self} or more, over {_MOST_TIMES_PACKED} times its size: that is no list"
        )
        return SourceError(location, reason, "If it is one, unpack it first")


def _opened(location: str, *, packed: bool) -> IO[bytes]:
    file = Path(location).open("rb")  # noqa: SIM115 -- the caller closes it
    return cast("IO[bytes]", Unpacked(file)) if packed else file


def text_file(location: str) -> TextFile:
    """
    Open the file at the path *location*, and read its head.

    Raises:
        SourceError: It is missing, unreadable, empty, or its head is damaged.
        UnrecognisedError: It is not a file with text in it.
    """
    with file_errors(location):
        status = _status(location)
    try:
        location.encode()
    except UnicodeEncodeError:
        raise SourceError(location, "has a name that is not UTF-8", "Rename it") from None
    with file_errors(location):
        with Path(location).open("rb") as file:
            packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        with _opened(location, packed=packed) as file:
            head = file.read(_HEAD_BYTES)
    if binary := _binary(head):
        raise UnrecognisedError(location, f"is {binary}, not text")
    if not head.strip():
        raise SourceError(location, "is empty")
    return TextFile(location, datetime.fromtimestamp(status.st_mtime, UTC), packed, head)


@contextmanager
def file_errors(location: str) -> Iterator[None]:
    """
    Name the file at *location* in what goes wrong while it is read.

    Raises:
        SourceError: In place of errors of the file system and of damaged gzip data.
    """
    try:
        yield
    except EOFError as error:
        raise SourceError(location, "is cut off: its gzip data ends early", _FETCH_AGAIN) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(location, "is damaged: its gzip data is broken", _FETCH_AGAIN) from error
    except UnpacksTooFarError as error:
        raise error.at(location) from error
    except NoTextError as error:
        raise SourceError(location, str(error), "Check that it is a CSV") from error
    except OSError as error:
        raise SourceError(location, *_trouble(error)) from error


def read_document(location: str, max_bytes: int = MAX_BYTES) -> Document:
    """
    Read the file at the path *location*.

    Raises:
        SourceError: It is missing, unreadable, empty, damaged or too large.
        UnrecognisedError: It is not a file with text in it.
    """
    path = Path(location)
    with file_errors(location):
        status = _status(location)
        with path.open("rb") as file:
            content = unpack(file, location, max_bytes)
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
    with file_errors(location):
        content = _read(Unpacked(file) if packed else file, location, max_bytes)
    if not content.strip():
        raise SourceError(location, "is empty")
    return content


def _status(location: str) -> os.stat_result:
    try:
        status = Path(location).stat()
    except ValueError as error:
        raise SourceError(location, f"is not a path ({error})", "Check the path") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
        raise UnrecognisedError(location, f"is {_special(status)}, not a file")
    return status


def _read(stream: IO[bytes] | gzip.GzipFile, location: str, max_bytes: int) -> bytes:
    """Check the head first: a video file need not be read by the gigabyte."""
    head = stream.read(_HEAD_BYTES)
    if binary := _binary(head):
        raise UnrecognisedError(location, f"is {binary}, not text")
    content = head + stream.read(max_bytes + 1 - len(head))
    if len(content) > max_bytes:
        raise SourceError(location, f"is larger than {size_in_words(max_bytes)}", "Split it")
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


def _trouble(error: OSError) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist", "Check the path"
        case PermissionError():
            return "may not be read (permission denied)", "Change its mode or run as its owner"
        case _:
            return f"cannot be read ({error.strerror or error})", ""
