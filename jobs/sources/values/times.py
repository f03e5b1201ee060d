"""Points in time as sources write them, as aware UTC datetimes; None for anything else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, tzinfo
    from time import struct_time

EARLIEST_YEAR = 1970
LATEST_YEAR = 2199
"""Years outside these are damage; the first podcast and video are much younger than 1970."""

OWN_FORMS = frozenset({"iso", "DD.MM", "YY.DD.MM"})
"""The forms of `reader` that are none of `strptime`."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)
_DAY_AND_MONTH = re.compile(r"(\d{1,2})\.(\d{1,2})", re.ASCII)
_DATE_IN_NAME = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)
_SECOND_IN_NAME = re.compile(r"\d{4}-\d{2}-\d{2}_(\d{10})(?:\d{3})?(?!\d)", re.ASCII)
_YEAR_IN_NAME = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)", re.ASCII)
_IN_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2})[:_-]?(\d{2})[:_-]?(\d{2})Z", re.ASCII)


def from_iso8601(text: str) -> datetime | None:
    """
    Read an ISO 8601 date or time. A date is its midnight, and a time without zone is UTC.

    Only forms with a full year, month and day count: `2026-01-17`, `2026-01-17T08:30:00+01:00`.
    """
    stripped = text.strip()
    if _DATE.match(stripped) is None:  # 20260117 may be a number from the next column
        return None
    try:
        return sane(datetime.fromisoformat(stripped))
    except ValueError:
        return None


def reader(form: str, time_zone: str, year: int | None) -> Callable[[str], datetime | None]:
    """
    Return a function that reads dates and times of one *form*, in *time_zone* if they have none.

    - `iso`: as `from_iso8601` reads them;
    - `YY.DD.MM`: `17.14.11` is 14 November 2017;
    - `DD.MM`: `13.09` of *year*; a spreadsheet that took it for a number made `1.1` of `01.10`;
    - anything else: a format of `strptime`, as `%d-%m-%Y %H:%M` or `%b %d, %Y` (English names).
    """
    zone: tzinfo = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    if form == "iso":
        return from_iso8601 if zone is UTC else partial(_zoned_iso, zone=zone)
    if form == "DD.MM":
        return partial(_from_day_and_month, year=year, zone=zone)
    if form == "YY.DD.MM":
        form = "%y.%d.%m"
    return partial(_from_form, form=form, zone=zone)


def from_name(name: str) -> datetime | None:
    """Find the time of a recording in its file name: `news_2021-04-08T122223Z.xml`."""
    found = _IN_NAME.search(name)
    if found is None:
        return None
    date, hour, minute, second = found.groups()
    return from_iso8601(f"{date}T{hour}:{minute}:{second}+00:00")


def year_in_name(name: str) -> int | None:
    """Find the year in a file's name, if it has one year and no other."""
    found = set(_YEAR_IN_NAME.findall(name))
    return int(found.pop()) if len(found) == 1 else None


def date_in_name(name: str) -> date | None:
    """Find the first day in a file's name, written as ISO 8601 does."""
    found = _DATE_IN_NAME.search(name)
    time = from_iso8601(found[0]) if found else None
    return None if time is None else time.date()


def made_in_name(name: str) -> datetime | None:
    """Find the second at which an archive was made, behind a day: `Overview_2025-08-28_1756…`."""
    found = _SECOND_IN_NAME.search(name)
    return sane(datetime.fromtimestamp(int(found[1]), UTC)) if found else None


def from_parts(parts: struct_time | None) -> datetime | None:
    """Read a UTC time given as its parts; a leap second becomes the second before it."""
    if parts is None:
        return None
    year, month, day, hour, minute, second = parts[:6]
    try:
        return sane(datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _zoned_iso(text: str, zone: tzinfo) -> datetime | None:
    stripped = text.strip()
    if _DATE.match(stripped) is None:
        return None
    try:
        read = datetime.fromisoformat(stripped)
    except ValueError:
        return None
    return sane(read if read.tzinfo else read.replace(tzinfo=zone))


def _from_form(text: str, form: str, zone: tzinfo) -> datetime | None:
    try:
        read = datetime.strptime(text.strip(), form)  # noqa: DTZ007 -- its zone follows
    except ValueError:
        return None
    return sane(read if read.tzinfo else read.replace(tzinfo=zone))


def _from_day_and_month(text: str, year: int | None, zone: tzinfo) -> datetime | None:
    matched = _DAY_AND_MONTH.fullmatch(text.strip())
    if matched is None or year is None:
        return None
    day, month = matched.groups()
    try:
        return sane(datetime(year, int(month.ljust(2, "0")), int(day), tzinfo=zone))
    except ValueError:
        return None


def sane(time: datetime) -> datetime | None:
    """Return *time* in UTC, which it is without a zone, or None if no source is of its year."""
    if not EARLIEST_YEAR <= time.year <= LATEST_YEAR:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
