"""
Dates as people, programs and spreadsheets write them, judged by column: a strict list of forms.

`3/4/2024` alone may be March or April. The other cells of its column decide which, and where none
does, it is no date. A date without a year gets one from its neighbours and a year that is known.
Nothing else is guessed: what is not written in a form of this list is unreadable.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources.values import times
from jobs.sources.values.date_order import (
    Parts,
    follow_each_other,
    month_and_day,
    order_of,
    years_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, tzinfo

    from jobs.sources.values.date_order import Order

_TIME = (
    r"(?:(?:t|,? )(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r" ?(?P<half>[ap]\.?m\.?)? ?(?P<zone>z|utc|gmt|[a-z]{1,5}|(?:utc|gmt)?[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_TIME}"
)
_EAST_ASIAN = re.compile(
    r"(?:(?P<year>\d{4}) ?[年년] ?)?(?P<month>\d{1,2}) ?[月월] ?(?P<day>\d{1,2}) ?[日일]"
    rf"{_TIME}"
)
_VIETNAMESE = re.compile(
    rf"(?P<day>\d{{1,2}}) tháng (?P<month>\d{{1,2}})(?:(?:,| năm)? (?P<year>\d{{4}}))?{_TIME}"
)
_DOTTED = re.compile(rf"(?P<year>\d{{4}})\. ?(?P<month>\d{{1,2}})\. ?(?P<day>\d{{1,2}})\.?{_TIME}")
_YEAR_LAST = re.compile(
    rf"(?P<one>\d{{1,2}})(?P<mark>[-/.])(?P<two>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d{{2}}){_TIME}"
)
_WORD = r"(?P<word>[^\W\d_][^\d,]*?)"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_DAY_FIRST = re.compile(
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|o|\.)?[ -]+{_WORD}(?:[ ,.-]+{_YEAR})?{_TIME}"
)
_MONTH_FIRST = re.compile(
    rf"{_WORD}[ .-]+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:[ ,.-]+{_YEAR})?{_TIME}"
)
_ASCTIME = re.compile(
    r"[a-z]{3} (?P<word>[a-z]{3}) +(?P<day>\d{1,2}) (?P<hour>\d{2}):(?P<minute>\d{2}):"
    r"(?P<second>\d{2})(?P<half>)(?P<zone>)(?: (?:utc|gmt|[a-z]{3,4}))? (?P<year>\d{4})"
)
_WEEKDAY = re.compile(r"^[^\W\d_]{2,12}\.?,\s*")
_ENGLISH_DAYS = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
_EPOCH = re.compile(r"\d{10}|\d{13}", re.ASCII)
_SERIAL = re.compile(r"\s*[34]\d{4}(?:\.\d+)?\s*", re.ASCII)
"""A day as spreadsheets count it, between 1982 and 2036, in a column of nothing else."""

_SPREADSHEETS_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 -- of whichever zone
_MONTH = re.compile(r"(?P<year>\d{4})(?:[-/.]| ?[年년] ?)(?P<month>\d{1,2}) ?[月월]?")
_NAMED_MONTH = re.compile(r"([^\W\d_]+)\.?[ -]?(?:de )?(\d{4}|\d{2})")
_OFFSETS = {
    **dict.fromkeys(("", "z", "ut", "utc", "gmt", "wet"), 0),
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
    "cet": 1,
    "cest": 2,
    "mez": 1,
    "mesz": 2,
    "eet": 2,
    "eest": 3,
    "bst": 1,
    "ist": 5.5,
    "jst": 9,
    "kst": 9,
    "msk": 3,
    "aest": 10,
    "aedt": 11,
}
_CENTURY_TURNS = 70
_LETTERS = 3
_PLAIN_LETTERS = str.maketrans("äçéûüşğıńśź", "aceuusginsz")
_HOURS_IN_A_DAY = 24
_MINUTES_IN_AN_HOUR = 60
_MONTHS_IN_A_YEAR = 12
_NOON = 12


@dataclass(frozen=True, slots=True)
class Column:
    """
    The dates of one column, cell by cell, and what was judged of all of them.

    values: None where a cell is no date. monthly: its cells name months, not days. ambiguous: some
    may be of two days, and nothing decides. yearless: some have no year, and none is known.
    unordered: a year is known for the first of them only, and the rows are not in order of time.
    """

    values: Mapping[str, datetime]
    monthly: bool = False
    ambiguous: bool = False
    yearless: bool = False
    unordered: bool = False

    def read(self, cell: str) -> datetime | None:
        """Return the time in *cell*, or None."""
        return self.values.get(cell)


def read_column(
    cells: Iterable[str],
    zone: tzinfo = UTC,
    year: int | None = None,
    *,
    form: str | None = None,
    mixed: bool = False,
    now: datetime | None = None,
    first: date | None = None,
    month_first: bool = False,
) -> Column:
    """
    Read the *cells* of a column, in their order.

    zone: of times without one. year: of the first date, where dates have none; it turns where
    months begin again. form: of `strptime`, instead of all that are known. mixed: cells were
    written by several programs, so one may hold seconds since 1970 where others do not. now: days
    after it are read in another way, if there is one. first: dates without a year are of the year
    from this day on, in any order. month_first: of day and month, where nothing else decides.
    """
    ordered = list(dict.fromkeys(cell for cell in cells if cell.strip()))
    if form is None:
        quick = {cell: found for cell in ordered if (found := _iso(cell, zone)) is not None}
        # What is of another form in a column of ISO 8601 is damage, such as a date cut short.
        if len(quick) == len(ordered) or (quick and not mixed and 2 * len(quick) >= len(ordered)):
            return Column(quick)
    read = {cell: _parts(cell, form) for cell in ordered}
    parts = {cell: found for cell, found in read.items() if found is not None}
    if form is None and ordered and all(map(_SERIAL.fullmatch, ordered)):
        return Column({cell: _from_serial(cell, zone) for cell in ordered})
    epochs = {cell for cell in ordered if _EPOCH.fullmatch(cell.strip())}
    if form is None and (mixed or len(epochs) == len(ordered)):
        parts |= {cell: _epoch(cell.strip()) for cell in epochs}
    if form is None and not parts and (months := _months(ordered, zone)):
        return Column(months, monthly=True)
    order = order_of(parts.values(), None if month_first else now or datetime.now(UTC))
    order = order or ("mdy" if month_first else None)
    in_order = first is not None or follow_each_other(parts, order)
    years = years_of(parts, order, year if in_order else None, first)
    values = {}
    ambiguous = yearless = False
    for cell, part in parts.items():
        if part.day_and_month and order is None:
            ambiguous = True
        elif cell not in years:
            yearless = True
        elif (time := _time(part, order, years[cell], zone)) is not None:
            values[cell] = time
    unordered = yearless and year is not None
    return Column(values, ambiguous=ambiguous, yearless=yearless, unordered=unordered)


def read_one(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Read a date that stands alone."""
    return read_column([text], zone).read(text)


def names_a_year(form: str) -> bool:
    """Whether dates of this *form* of `strptime` have a year."""
    return re.search(r"%[yYGcx]", form) is not None


def _iso(cell: str, zone: tzinfo) -> datetime | None:
    found = times.from_iso8601(cell)
    if found is None or zone is UTC:
        return found
    return times.reader("iso", str(zone), None)(cell)


def _parts(cell: str, form: str | None) -> Parts | None:
    if form is not None:
        return _parts_by_form(cell, form)
    seen = _seen(cell)
    for pattern in (_YEAR_FIRST, _EAST_ASIAN, _VIETNAMESE, _DOTTED):
        if matched := pattern.fullmatch(seen):
            year = None if matched["year"] is None else int(matched["year"])
            return _with_time(matched, year, int(matched["month"]), int(matched["day"]))
    if matched := _YEAR_LAST.fullmatch(seen):
        return _year_last(matched)
    for pattern in (_ASCTIME, _DAY_FIRST, _MONTH_FIRST):
        if (matched := pattern.fullmatch(seen)) and (found := _named(matched)):
            return found
    return None


def _parts_by_form(cell: str, form: str) -> Parts | None:
    """A form without a year is read in a leap year, so that the 29th of February is a day."""
    try:
        read = datetime.strptime(f"{cell.strip()} 2000", f"{form} %Y")  # noqa: DTZ007
    except ValueError:
        return None
    return Parts(None, read.month, read.day, read.hour, read.minute, read.second)


def _seen(cell: str) -> str:
    """The cell in lower case and common digits, without a weekday before a comma."""
    seen = cell
    if not cell.isascii():
        seen = "".join(
            str(unicodedata.digit(each)) if each.isdigit() else each
            for each in unicodedata.normalize("NFKC", cell)
            if unicodedata.category(each) != "Cf"
        )
        seen = unicodedata.normalize("NFC", seen)
    seen = _WEEKDAY.sub("", " ".join(seen.split()).lower())
    first, _, rest = seen.partition(" ")
    return rest if rest[:1].isdecimal() and first in _ENGLISH_DAYS else seen


def _from_serial(cell: str, zone: tzinfo) -> datetime:
    """A spreadsheet counts days since 1899, and parts of a day behind the point."""
    seconds = round(float(cell) * 86_400)
    return (_SPREADSHEETS_ZERO + timedelta(seconds=seconds)).replace(tzinfo=zone).astimezone(UTC)


def _epoch(cell: str) -> Parts:
    """Seconds or milliseconds since 1970."""
    time = datetime.fromtimestamp(int(cell[:10]), UTC)
    return Parts(time.year, time.month, time.day, time.hour, time.minute, time.second, 0.0)


def _year_last(matched: re.Match[str]) -> Parts | None:
    one, two, year = int(matched["one"]), int(matched["two"]), _full(matched["year"])
    if matched["mark"] == ".":  # nobody writes the month first, and dots
        return _with_time(matched, year, two, one)
    if max(one, two) > _MONTHS_IN_A_YEAR:
        month, day = min(one, two), max(one, two)
        # Only that one of both that it can be; the column learns its order from it.
        return _with_time(matched, year, month, day, (one, two))
    return _with_time(matched, year, None, None, (one, two))


def _full(year: str) -> int:
    if len(year) > 2:  # noqa: PLR2004 -- digits
        return int(year)
    return int(year) + (1900 if int(year) >= _CENTURY_TURNS else 2000)


def _named(matched: re.Match[str]) -> Parts | None:
    month = _month(matched["word"])
    if month is None:
        return None
    year = None if matched["year"] is None else _full(matched["year"])
    return _with_time(matched, year, month, int(matched["day"]))


def _month(words: str) -> int | None:
    """The month that *words* name, with nothing beside it but fillers."""
    names, fillers = _words()
    found: int | None = None
    for word in words.replace(".", " ").replace("-", " ").split():
        if word in fillers:
            continue
        if found is not None:
            return None
        # A sign stands for what an abbreviation left out, as in Hindi.
        found = names.get(word.rstrip("॰"))
        if found is None:
            return None
    return found


@cache
def _words() -> tuple[Mapping[str, int], frozenset[str]]:
    """Whatever begins the names of one month alone, and fillers."""
    path = Path(__file__).parent.parent / "words" / "months.toml"
    document = tomllib.loads(path.read_text("utf-8"))
    of: dict[str, set[int]] = {}
    for number, names in enumerate(document["months"], start=1):
        for name in map(_seen, names):
            fewest = _LETTERS if name.translate(_PLAIN_LETTERS).isascii() else _LETTERS - 1
            for size in range(fewest, len(name) + 1):
                of.setdefault(name[:size], set()).add(number)
    whole = {word: numbers.pop() for word, numbers in of.items() if len(numbers) == 1}
    return whole, frozenset(document["fillers"])


def _with_time(
    matched: re.Match[str],
    year: int | None,
    month: int | None,
    day: int | None,
    day_and_month: tuple[int, int] | None = None,
) -> Parts | None:
    if matched["hour"] is None:
        return Parts(year, month, day, day_and_month=day_and_month)
    hour, half = int(matched["hour"]), (matched["half"] or "")[:1]
    if half:
        hour = hour % _NOON + (_NOON if half == "p" else 0)
    offset = _offset(matched["zone"]) if matched["zone"] else None
    if matched["zone"] and offset is None:
        return None
    minute, second = int(matched["minute"]), min(int(matched["second"] or 0), 59)
    return Parts(year, month, day, hour, minute, second, offset, day_and_month)


def _offset(zone: str) -> float | None:
    """Hours before UTC's; None for a name that is no zone's."""
    digits = zone.removeprefix("utc").removeprefix("gmt").replace(":", "")
    if digits[:1] in "+-" and len(digits) == 5:  # noqa: PLR2004 -- a sign and four digits
        hours, minutes = int(digits[1:3]), int(digits[3:])
        if hours >= _HOURS_IN_A_DAY or minutes >= _MINUTES_IN_AN_HOUR:
            return None
        offset = hours + minutes / _MINUTES_IN_AN_HOUR
        return -offset if digits[0] == "-" else offset
    return _OFFSETS.get(zone)


def _time(parts: Parts, order: Order | None, year: int, zone: tzinfo) -> datetime | None:
    month, day = month_and_day(parts, order)
    of = zone if parts.offset_h is None else timezone(timedelta(hours=parts.offset_h))
    try:
        time = datetime(year, month, day, parts.hour, parts.minute, parts.second, tzinfo=of)
    except ValueError:
        return None
    return times.sane(time)


def _months(cells: Sequence[str], zone: tzinfo) -> Mapping[str, datetime]:
    """Cells that all name a month of a year, as its first day; none if any does not."""
    found = {}
    for cell in cells:
        seen = _seen(cell)
        matched = _MONTH.fullmatch(seen)
        month = int(matched["month"]) if matched else None
        year = int(matched["year"]) if matched else None
        if not matched and (named := _NAMED_MONTH.fullmatch(seen)):
            month, year = _month(named[1]), _full(named[2])
        if month is None or year is None or not 1 <= month <= _MONTHS_IN_A_YEAR:
            return {}
        found[cell] = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    return found
