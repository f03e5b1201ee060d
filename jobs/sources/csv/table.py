"""
A CSV document as batches of rows of text cells, each row with its line in the file.

It is read piece by piece, some megabytes at a time, and never held as a whole. Polars splits a
piece without quotes. The `csv` module splits one with quotes: it alone can say on which line a row
begins and which row is damaged, where polars refuses a whole file for one stray quote.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.sources.header import LINE
from jobs.sources.text import NoTextError, lines_of, pieces
from jobs.spreadsheet import MARKS, QUOTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import IO

    from numpy.typing import NDArray

    from jobs.sources.header import Header

PIECE_BYTES = 4 * 1024 * 1024

_MAX_ROW_CHARACTERS = 256 * 1024
"""How far to look for the end of an open quote, before its row counts as damaged."""

_LENIENT_LINES = (2, 8, 32, 128, 512)
"""How many lines a row with stray quotes may have; few are looked at first, since most have few."""

_READ_AGAIN_ANYWAY = 32 * 1024 * 1024
_MOST_TIMES_READ = 8
"""How much may be read again, behind open quotes, of what was read: a list has a few of them."""

_SHOWN_CHARACTERS = 100

_OPEN_AT_END = "unexpected end of data"


@dataclass(frozen=True, slots=True)
class Damage:
    """
    A row that cannot be split: too few or too many cells, or a quote that is not closed.

    alone: of a row of one cell its beginning; it may be a note below a table.
    """

    line: int
    problem: str
    alone: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of rows as text, the damage among them, and how many lines had to be guessed."""

    frame: pl.DataFrame
    damage: Sequence[Damage] = ()
    guessed_lines: int = 0


def read_rows(
    file: IO[bytes],
    header: Header,
    wanted: Collection[str] | None = None,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[Rows]:
    """
    Split *file*, unpacked, into the rows below its *header*.

    Only the columns of *wanted* are kept, or all. Cells lose their outer white space. A row with
    too few or too many cells, or with a quote that is not closed, is damage; reading goes on with
    the line after it. Blank rows are left out.
    """
    splitter = _Splitter(header, wanted)
    above = header.line
    for piece in pieces(file, piece_bytes):
        text = piece.text
        if above:
            lines = text.splitlines(keepends=True)
            text, above = b"".join(lines[above:]), max(0, above - len(lines))
        if not above:
            frame, damage = splitter.split(text, last=piece.last)
            yield Rows(frame, damage, piece.guessed_lines)


class QuotesError(NoTextError):
    """There are so many open quotes that rows cannot be told apart; the message says from where."""


class _Splitter:
    """Splits the pieces of one file, and holds what an open quote leaves for the next piece."""

    def __init__(self, header: Header, wanted: Collection[str] | None) -> None:
        names = header.names
        self._width = len(names)
        self._delimiter = header.delimiter
        self._kept = [at for at, name in enumerate(names) if wanted is None or name in wanted]
        self._names = [names[at] for at in self._kept]
        self._line = header.line + 1
        self._held = ""
        self._read = 0
        self._read_again = 0
        self._row_characters = 0
        self._is_last = False

    def split(self, text: bytes, *, last: bool) -> tuple[pl.DataFrame, list[Damage]]:
        plain = not self._held and b'"' not in text and text.count(b"\r") == text.count(b"\r\n")
        holds_quoted = bool(self._held) or any(mark in text for mark in MARKS)
        frame, damage = self._split_plain(text) if plain else self._split_quoted(text, last=last)
        frame = frame.with_columns(pl.col(self._names).str.strip_chars())
        if holds_quoted:
            frame = frame.with_columns(pl.col(self._names).str.replace(QUOTED, "${1}"))
        filled = pl.any_horizontal(pl.col(name) != "" for name in self._names)
        return frame.filter(filled), damage

    def _split_plain(self, text: bytes) -> tuple[pl.DataFrame, list[Damage]]:
        """Without quotes every line is a row, and delimiters count its cells."""
        if text and not text.endswith(b"\n"):
            text += b"\n"
        raw = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(raw == ord("\n"))
        starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
        at = np.flatnonzero(raw == ord(self._delimiter))
        cells = np.searchsorted(at, ends) - np.searchsorted(at, starts) + 1
        lines = self._line + np.arange(ends.size)
        self._line += ends.size
        sound = cells == self._width
        damage = []
        if not sound.all():
            # An empty line is no damage; there may be millions of them.
            damage = [
                Damage(int(lines[row]), self._miscounted(int(cells[row])), alone)
                for row in np.flatnonzero(~sound & (ends > starts)).tolist()
                if (whole := text[starts[row] : ends[row]].strip())
                for alone in [_alone(whole.decode()) if cells[row] == 1 else ""]
            ]
            kept = np.flatnonzero(sound).tolist()
            text = b"".join(text[starts[row] : ends[row] + 1] for row in kept)
        return self._frame(text, lines[sound]), damage

    def _frame(self, text: bytes, lines: NDArray[np.intp]) -> pl.DataFrame:
        if not lines.size:
            return self._of_cells([], [])
        frame = pl.read_csv(
            text,
            has_header=False,
            separator=self._delimiter,
            quote_char=None,
            columns=[f"column_{at + 1}" for at in self._kept],
            schema={f"column_{at + 1}": pl.String for at in range(self._width)},
            empty_string_is_null=False,
        )
        frame.columns = self._names
        return frame.with_columns(pl.Series(LINE, lines, dtype=pl.UInt32))

    def _split_quoted(self, text: bytes, *, last: bool) -> tuple[pl.DataFrame, list[Damage]]:
        """After damage, start again one line further on: an open quote swallows what follows."""
        lines = lines_of(self._held + text.decode())
        self._is_last = last
        self._read += len(text)
        self._held = ""
        rows: list[Sequence[str]] = []
        began: list[int] = []
        damage: list[Damage] = []
        top = 0
        while top < len(lines):
            top = self._split_until_damage(lines, top, rows, began, damage)
            if damage and damage[-1].problem == _OPEN_AT_END:
                # Otherwise the quote was looked for as far as it may be.
                if not last and self._row_characters <= _MAX_ROW_CHARACTERS:
                    damage.pop()
                    top -= 1
                    self._held = "".join(lines[top:])
                    break
                damage[-1] = Damage(damage[-1].line, f"has a stray or open quote ({_OPEN_AT_END})")
        self._line += top
        return self._of_cells(rows, began), damage

    def _split_until_damage(
        self,
        lines: Sequence[str],
        top: int,
        rows: list[Sequence[str]],
        began: list[int],
        damage: list[Damage],
    ) -> int:
        """Add rows from line *top* up to the first damaged one; return the line after it."""
        self._row_characters = 0
        reader = csv.reader(self._from(lines, top), delimiter=self._delimiter, strict=True)
        start = top
        try:
            for cells in reader:
                self._row_characters = 0
                if len(cells) == self._width:
                    rows.append([cells[at] for at in self._kept])
                    began.append(self._line + start)
                elif cells:
                    alone = _alone(cells[0]) if len(cells) == 1 else ""
                    problem = self._miscounted(len(cells))
                    damage.append(Damage(self._line + start, problem, alone))
                    return start + 1
                start = top + reader.line_num
        except csv.Error as error:
            self._count_again(self._line + start)
            lenient, after, problem = self._after_error(lines, start, str(error))
            if lenient:
                rows.append([lenient[at] for at in self._kept])
                began.append(self._line + start)
                return after
            damage.append(Damage(self._line + start, problem))
            return start + 1
        return len(lines)

    def _after_error(
        self, lines: Sequence[str], start: int, reason: str
    ) -> tuple[Sequence[str], int, str]:
        """Read the row from *start* leniently: its cells and the line after it, or its problem."""
        # A return within a cell ends no line: try the row as far as the next line feed first.
        end = next((at for at in range(start, len(lines)) if lines[at][-1:] == "\n"), None)
        if end is None and self._may_wait(lines[start:]):
            return (), start, _OPEN_AT_END
        if "expected after" in reason:
            lenient, after = self._read_on_leniently(lines, start)
            if lenient:
                return lenient, after, ""
            if after == len(lines) and self._may_wait(lines[start:]):
                return (), start, _OPEN_AT_END
            for last in sorted({start, start if end is None else end}, reverse=True):
                lenient = self._read_leniently("".join(lines[start : last + 1]))
                if lenient:
                    return lenient, last + 1, ""
        if reason == _OPEN_AT_END:
            return (), start, reason
        return (), start, f"has a stray or open quote ({reason})"

    def _read_on_leniently(self, lines: Sequence[str], start: int) -> tuple[Sequence[str], int]:
        """
        Accept such quotes in a row of several lines, if no line in it is a row of its own.

        Returns its cells, none if it is none, and the line after those that were looked at.
        """
        for count in _LENIENT_LINES:
            some = lines[start : start + count]
            self._read_again += sum(map(len, some))
            if self._read_again > self._most_again():
                break
            reader = csv.reader(some, delimiter=self._delimiter)
            try:
                cells: Sequence[str] = next(reader, ())
            except csv.Error:
                break
            after = start + reader.line_num
            is_whole = reader.line_num < len(some) or (after == len(lines) and self._is_last)
            if len(cells) > self._width or (is_whole and len(cells) < self._width):
                break
            if is_whole:
                inside = lines[start + 1 : after]
                return (() if self._has_rows(inside) else cells), after
            if after == len(lines):
                return (), after
        return (), start + 1

    def _has_rows(self, lines: Sequence[str]) -> bool:
        """Whether one of *lines* has as many cells as a row, or cannot be split."""
        try:
            rows = csv.reader(lines, delimiter=self._delimiter)
            return any(len(row) == self._width for row in rows)
        except csv.Error:
            return True

    def _may_wait(self, row: Sequence[str]) -> bool:
        """Whether the end of a row may be looked for in the next piece."""
        return not self._is_last and sum(map(len, row)) <= _MAX_ROW_CHARACTERS

    def _from(self, lines: Sequence[str], top: int) -> Iterator[str]:
        """The lines from *top* on, until one row has taken too many of them."""
        for at in range(top, len(lines)):
            self._row_characters += len(lines[at])
            if self._row_characters > _MAX_ROW_CHARACTERS:
                return
            yield lines[at]

    def _count_again(self, line: int) -> None:
        """What a damaged row has taken is read again, from its second line on."""
        self._read_again += self._row_characters
        if self._read_again > self._most_again():
            raise QuotesError(f"has too many stray or open quotes, the last in line {line:,}")

    def _most_again(self) -> int:
        return _READ_AGAIN_ANYWAY + _MOST_TIMES_READ * self._read

    def _read_leniently(self, line: str) -> Sequence[str]:
        """Accept quotes within a cell, as in `"a"|"b"`, if the line still has all its cells."""
        flat = line.rstrip("\r\n").replace("\r", "\n")  # `csv` accepts no return in a cell
        try:
            cells: Sequence[str] = next(csv.reader([flat], delimiter=self._delimiter), ())
        except csv.Error:  # a line break outside quotes: the caller counts the row as damage
            return ()
        return cells if len(cells) == self._width else ()

    def _of_cells(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else [()] * len(self._names)
        return pl.DataFrame(
            [
                *(
                    pl.Series(name, cells, dtype=pl.String)
                    for name, cells in zip(self._names, columns, strict=True)
                ),
                pl.Series(LINE, lines, dtype=pl.UInt32),
            ]
        )

    def _miscounted(self, cells: int) -> str:
        return f"has {cells} cells instead of {self._width}"


def _alone(cell: str) -> str:
    return cell.strip()[:_SHOWN_CHARACTERS]
