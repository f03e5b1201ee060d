"""
Numbers as people and spreadsheets write them; which mark means what is judged by column.

`1,200`, `1.200`, `1 200` and `1'200` are twelve hundred where each mark stands before three digits.
`5.000` may be five or five thousand: the other cells of its column decide, and where none does, it
is no number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MARKS = (",", ".", " ", "'")
_APOSTROPHES = str.maketrans({"’": "'", "\u066c": ",", "−": "-", "–": "-", "\u066b": "."})
_MOST_DIGITS = 18
_PLAIN = re.compile(r"\+?(-?\d+)(?:[.,]0*)?")
_LONG = re.compile(r"\d{4,}")
_SHORTENED = re.compile(r"\d(?:\.\d+)?E\+\d{1,2}", re.IGNORECASE)
"""`2.28E+11`, which is how spreadsheets shorten a number."""

_DECIMAL = re.compile(r"[+-]?\d{1,15}(?:\.\d*)?")
_BEFORE_THREE = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}") for mark in ",."}
"""What may be a number of four to six digits with a mark between thousands."""

_LAKHS = r"[1-9]\d?(?:,\d{2})+,\d{3}"
"""`12,34,567`: above a thousand, India groups by two."""

_FORMS = {
    mark: re.compile(
        rf"\+?(?P<number>-?(?:[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+"
        rf"{f'|{_LAKHS}' if mark == ',' else ''}))"
        rf"(?:[{re.escape(''.join(other for other in '.,' if other != mark))}]0+)?"
    )
    for mark in _MARKS
}


def reader(cells: Iterable[str], thousands: str = "") -> Callable[[str], int | None]:
    """
    Return a function that reads the *cells* of one column: a whole number, or None.

    thousands: the mark between thousands, where someone said which it is.
    """
    if thousands:
        return lambda cell: _whole(_seen(cell).replace(thousands, ""))
    mark = _mark([_seen(cell) for cell in cells])

    def read(cell: str) -> int | None:
        seen = _seen(cell)
        grouped = _FORMS[mark].fullmatch(seen) if mark else None
        if grouped is not None:
            return _int(grouped["number"].replace(mark or "", ""))
        if mark is None and any(_FORMS[each].fullmatch(seen) for each in ",."):
            return None
        return _whole(seen)

    return read


def decimals_reader(cells: Iterable[str]) -> Callable[[str], float | None]:
    """
    Return a function that reads the *cells* of one column, hours or per cent: a number, or None.

    A mark before other than three digits, or after another mark, separates decimals; one that is
    there twice in a cell separates thousands. A comma before three digits in each cell may be
    either, and is then no number; a point is that of decimals, as programs write it.
    """
    seen = [_bare(cell) for cell in cells]
    decimal = _decimal_mark(seen)

    def read(cell: str) -> float | None:
        bare = _bare(cell)
        if decimal is None and any(mark in bare for mark in ",."):
            return None
        for mark in _MARKS:
            if mark != decimal:
                bare = bare.replace(mark, "")
        bare = bare.replace(decimal or ".", ".")
        return float(bare) if _DECIMAL.fullmatch(bare) else None

    return read


def _bare(cell: str) -> str:
    return _seen(cell).removesuffix("%").strip()


def _decimal_mark(cells: list[str]) -> str | None:
    """The mark before decimals; None if commas may be that or between thousands."""
    told = {mark for mark in ",." if any(_is_decimal(mark, cell) for cell in cells)}
    if len(told) == 1:
        return told.pop()
    return None if told or any("," in cell for cell in cells) else "."


def _is_decimal(mark: str, cell: str) -> bool:
    """Whether *mark* can be nothing but that before decimals in *cell*."""
    other = "." if mark == "," else ","
    if cell.count(other) > 1 or 0 <= cell.find(other) < cell.find(mark):
        return True
    alone = cell.count(mark) == 1 and other not in cell
    return alone and not _BEFORE_THREE[mark].fullmatch(cell)


def _seen(cell: str) -> str:
    """The cell in common digits and marks; a no-break or thin space is a space."""
    if cell.isascii():
        return cell.strip()
    seen = unicodedata.normalize("NFKC", cell).translate(_APOSTROPHES)
    return "".join(
        str(unicodedata.digit(each)) if each.isdigit() else each
        for each in seen
        if unicodedata.category(each) != "Cf"
    ).strip()


def _mark(cells: list[str]) -> str | None:
    """The mark between thousands; empty if the column has none, None if nobody can say."""
    uncertain = False
    for mark in _MARKS:
        grouped = {cell for cell in cells if _FORMS[mark].fullmatch(cell)}
        if not grouped:
            continue
        other = "." if mark == "," else ","
        if mark in " '" or any(cell.count(mark) > 1 or other in cell for cell in grouped):
            return mark
        decimal = any(mark in cell and cell not in grouped for cell in cells)
        zeros = all(cell.endswith("000") for cell in grouped)
        if not decimal and not zeros:
            return mark
        # Where 1200 is written without a mark, 5.000 is five.
        plain = [cell.lstrip("+-") for cell in cells if mark not in cell]
        uncertain = not (decimal or any(_LONG.fullmatch(cell) for cell in plain))
    return None if uncertain else ""


def _whole(cell: str) -> int | None:
    plain = _PLAIN.fullmatch(cell)
    if plain is not None:
        return _int(plain[1])
    return int(float(cell)) if _SHORTENED.fullmatch(cell) else None


def _int(digits: str) -> int | None:
    return int(digits) if len(digits.lstrip("-")) <= _MOST_DIGITS else None
