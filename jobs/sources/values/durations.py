"""Durations as sources write them, in whole seconds; None for anything else."""

from __future__ import annotations

import re

MAX_S = 366 * 24 * 3600
"""No item is longer than a year: the cell is damaged."""

_ISO_8601 = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9})(?:[.,]\d+)?S)?)?",
    re.ASCII,
)
_UNIT_S = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_CLOCK = re.compile(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9})(?:[.,]\d*)?", re.ASCII)


def read(text: str) -> int | None:
    """Read a duration in either form."""
    return from_iso8601(text) if text.lstrip().startswith("P") else from_clock(text)


def from_iso8601(text: str) -> int | None:
    """
    Read an ISO 8601 duration such as `PT1H2M3S` or `P1DT2H`; fractions are cut off.

    `P0D` is 0, as YouTube writes a live stream that has not ended. Years and months have no
    fixed length and are refused. Standard: ISO 8601-1:2019, 5.5.2.
    """
    matched = _ISO_8601.fullmatch(text.strip())
    if matched is None or not any(matched.groupdict().values()):
        return None
    parts = matched.groupdict(default="0")
    return _sane(sum(int(parts[unit]) * length_s for unit, length_s in _UNIT_S.items()))


def from_clock(text: str) -> int | None:
    """Read seconds, `MM:SS` or `HH:MM:SS`, as podcasts write them; fractions are cut off."""
    matched = _CLOCK.fullmatch(text.strip())
    if matched is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in matched.groups())
    return _sane(hours * 3_600 + minutes * 60 + seconds)


def _sane(duration_s: int) -> int | None:
    return duration_s if duration_s <= MAX_S else None
