"""Points in time as sources write them, as aware UTC datetimes; None for what is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from time import struct_time

EARLIEST_YEAR = 1970
LATEST_YEAR = 2199
"""Years outside these are damage; the first podcast and video are far younger than 1970."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)
_IN_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2})[:_-]?(\d{2})[:_-]?(\d{2})Z", re.ASCII)


def from_iso8601(text: str) -> datetime | None:
    """
    Read an ISO 8601 date or time. A date is its midnight, and a time without zone is UTC.

    Only forms with a full year, month and day count: `2026-01-17`, `2026-01-17T08:30:00+01:00`.
    """
    stripped = text.strip()
    if _DATE.match(stripped) is None:  # 20260117 may be a number that slipped a column
        return None
    try:
        return _sane(datetime.fromisoformat(stripped))
    except ValueError:
        return None


def from_name(name: str) -> datetime | None:
    """Find when a recording was made in its file name: `news_2021-04-08T122223Z.xml`."""
    found = _IN_NAME.search(name)
    if found is None:
        return None
    date, hour, minute, second = found.groups()
    return from_iso8601(f"{date}T{hour}:{minute}:{second}+00:00")


def from_parts(parts: struct_time | None) -> datetime | None:
    """Read a UTC time given as its parts; a leap second is the second before it."""
    if parts is None:
        return None
    year, month, day, hour, minute, second = parts[:6]
    try:
        return _sane(datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _sane(time: datetime) -> datetime | None:
    if not EARLIEST_YEAR <= time.year <= LATEST_YEAR:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
