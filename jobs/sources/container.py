"""
Files that hold others: a zip, as Studio downloads one, and a spreadsheet with its sheets.

Each becomes a text of its own, held in memory. Sheets become CSV: days and whole numbers are
written as such, whatever the spreadsheet shows.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from xml.parsers.expat import ExpatError, ParserCreate

from jobs.sources.document import MAX_BYTES, Document, unpack
from jobs.sources.source import SourceError, UnrecognisedError
from runner.wording import counted
from runner.wording import size as size_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGIC = b"PK\x03\x04"
_WORKBOOK = "xl/workbook.xml"
_MOST_FILES = 1000
_STEP_BYTES = 1024 * 1024
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_PLACE = re.compile("([A-Z]{1,3})([0-9]{1,15})")
_DIGITS = re.compile("[0-9]{1,15}")
_MOST_CELLS = 20_000_000
"""Half a gigabyte in the library's hands."""

_AGAIN = "Download it again"
_ARCHIVES = (".zip", ".xlsx", ".gz", ".rar", ".7z", ".tar")


def is_container(location: str) -> bool:
    """Whether the file at the path *location* is a zip archive or a spreadsheet."""
    path = Path(location)
    try:
        if not path.is_file():  # opening a pipe would wait for a writer
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def texts_in(location: str) -> list[Document]:
    """
    Return the texts in the container at the path *location*, by name; what is no text is left out.

    Raises:
        SourceError: It is damaged, encrypted, or larger than a text may be when unpacked.
        UnrecognisedError: It holds no text.
    """
    modified_at = datetime.fromtimestamp(Path(location).stat().st_mtime, UTC)
    try:
        with zipfile.ZipFile(location) as archive:
            _check(location, archive.infolist())
            if _WORKBOOK in archive.namelist():
                _check_cells(location, archive)
                found = list(_sheets(location))
            else:
                found = list(_files(location, archive))
    except _DAMAGED as error:
        raise SourceError(location, f"is damaged: {error}", _AGAIN) from error
    if not found:
        reason = f"holds {_holds(location)}, and no text"
        raise UnrecognisedError(location, reason, "Unpack it, and name what is in it")
    return [
        Document(location, path.name, content, modified_at, folder=str(path.parent))
        for path, content in found
    ]


def _holds(location: str) -> str:
    """What is in an archive without text, in words."""
    with zipfile.ZipFile(location) as archive:
        files = [each.filename for each in archive.infolist() if not each.is_dir()]
    packed = [name for name in files if name.lower().endswith(_ARCHIVES)]
    return counted(len(packed), "archive") if packed else counted(len(files), "file")


def _check(location: str, files: Sequence[zipfile.ZipInfo]) -> None:
    """What the archive says of itself; that it is true is checked while it is read."""
    if len(files) > _MOST_FILES:
        raise SourceError(location, f"holds {counted(len(files), 'file')}", "Unpack it")
    if any(each.flag_bits & _ENCRYPTED for each in files):
        raise SourceError(location, "is encrypted", "Unpack it")
    if (size := sum(each.file_size for each in files)) > MAX_BYTES:
        raise SourceError(location, f"unpacks to {size_in_words(size)}", "Unpack it")


def _check_cells(location: str, archive: zipfile.ZipFile) -> None:
    """
    Refuse a sheet with cells so far apart that all between would not fit into memory.

    The library makes room for each of those, and ends the process where there is none.
    """
    for each in archive.infolist():
        if each.filename.endswith(".xml"):
            with archive.open(each) as file:
                extent = _Extent(file)
            if extent.is_too_large:
                raise SourceError(
                    location,
                    f"has a sheet of {counted(extent.rows, 'row')} and"
                    f" {counted(extent.columns, 'column')}",
                    "Delete what stands far from the table, or save the table as CSV",
                )


class _Extent:
    """
    How far the cells of the sheet in *file* reach.

    A row or a cell that does not say where it stands stands after the one before it. Other XML has
    no cells; what is damaged is read up to there, and refused by the library.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.rows = self.columns = 0
        self._row = self._column = 0
        parser = ParserCreate()
        parser.StartElementHandler = self._start
        with suppress(ExpatError, LookupError):  # broken, or in an unknown encoding
            while not self.is_too_large and (chunk := file.read(_STEP_BYTES)):
                parser.Parse(chunk)

    @property
    def is_too_large(self) -> bool:
        return self.rows * self.columns > _MOST_CELLS

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                row = attributes.get("r", "")
                self._row = int(row) if _DIGITS.fullmatch(row) else self._row + 1
                self._column = 0
            case "c":
                if place := _PLACE.fullmatch(attributes.get("r", "").upper()):
                    self._column, self._row = _column(place[1]), int(place[2])
                else:
                    self._column += 1
                self.rows = max(self.rows, self._row)
                self.columns = max(self.columns, self._column)


def _column(letters: str) -> int:
    """The number of a column, from 1: A, …, Z, AA, …."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _files(location: str, archive: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, bytes]]:
    left = MAX_BYTES
    for each in sorted(archive.infolist(), key=lambda one: one.filename):
        path = PurePosixPath(each.filename)
        if each.is_dir() or path.name.startswith(".") or "__MACOSX" in each.filename:
            continue
        with archive.open(each) as file:
            try:
                content = unpack(file, location, left)
            except UnrecognisedError:
                continue
            except SourceError as error:
                if error.reason == "is empty":
                    continue
                raise
        left -= len(content)
        yield path, content


def _sheets(location: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    # Its library is needed for spreadsheets only.
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(location)
        for name in book.sheet_names:
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=True)
            if rows:
                yield PurePosixPath(name.replace("/", "-")), _as_csv(rows)
    except CalamineError as error:
        raise SourceError(location, f"cannot be read as a spreadsheet ({error})", _AGAIN) from error


def _as_csv(rows: Sequence[Sequence[object]]) -> bytes:
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue().encode()


def _cell(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return str(round(value.total_seconds()))
        case _:
            return str(value)
