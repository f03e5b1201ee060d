"""
What may be given as a number, an id or a name, checked in one place for all who take one.

Each function returns what is wrong, as the end of a sentence about *name*, or None.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

LONGEST_S = 100 * 366 * 86_400
"""The longest time that may be given. Added to today, it is far from the year 9999."""

LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, the latest that a datetime can hold."""

_SHOWN_CHARACTERS = 60
_SHOWN_BITS = 128
_LONGEST_TEXT = 1000


def number(name: str, value: object) -> str | None:
    """A finite number, as far from 0 as a time may be."""
    if type(value) is bool or not isinstance(value, int | float):
        return f"{name} is {shown(value)}: give a number"
    if not _fits(value, -LONGEST_S, LONGEST_S):
        return f"{name} is {shown(value)}: give a finite number, and at most 100 years of seconds"
    return None


def seconds(
    name: str, value: object, *, above: float | None = None, most: float = LONGEST_S
) -> str | None:
    """A time in seconds, 0 or more and at most *most*; *above*: more than that."""
    if type(value) is bool or not isinstance(value, int | float):
        return f"{name} is {shown(value)}: give a number of seconds"
    if not _fits(value, 0, most) or (above is not None and value <= above):
        least = "0 or more" if above is None else f"more than {above:g}"
        longest = "100 years" if most == LONGEST_S else f"{most:g}"
        return f"{name} is {shown(value)}: give seconds, {least}, and at most {longest}"
    return None


def optional(problem: str | None, value: object) -> str | None:
    """*problem*, unless *value* is None, which may be given instead."""
    return None if value is None else problem


def whole(name: str, value: object, *, least: int = 0, most: int = 2**31 - 1) -> str | None:
    """A whole number from *least* to *most*."""
    if type(value) is bool or not isinstance(value, int):
        return f"{name} is {shown(value)}: give a whole number"
    if not least <= value <= most:
        return f"{name} is {shown(value)}: give {least} or more, and at most {most}"
    return None


def text(name: str, value: object) -> str | None:
    """An id or a name: text that is not empty and that UTF-8 can encode."""
    if not isinstance(value, str):
        return f"{name} is {shown(value)}: give a str, such as str(…)"
    if not value:
        return f"{name} is empty: give at least one character"
    if len(value) > _LONGEST_TEXT:
        return f"{name} has {len(value)} characters: give at most {_LONGEST_TEXT}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{name} is {shown(value)}, which UTF-8 cannot encode: give it without surrogates"
    return None


def flag(name: str, value: object) -> str | None:
    """True or False."""
    return None if isinstance(value, bool) else f"{name} is {shown(value)}: give True or False"


def function(name: str, value: object) -> str | None:
    """Something that can be called."""
    return None if callable(value) else f"{name} is {shown(value)}: give a function"


def instance(name: str, value: object, kind: type[Any]) -> str | None:
    """An instance of *kind*."""
    return None if isinstance(value, kind) else f"{name} is {shown(value)}: give a {kind.__name__}"


def moment(name: str, value: object) -> str | None:
    """An aware time that is in the years 1 to 9999 in UTC, too."""
    if not isinstance(value, datetime):
        return f"{name} is {shown(value)}: give a datetime with a time zone"
    if value.tzinfo is None or value.utcoffset() is None:
        return f"{name} needs a time zone, such as datetime.UTC"
    try:
        value.astimezone(UTC)
    except OverflowError:
        return f"{name} is {shown(value)}: give a time before the year 10000 in UTC"
    return None


def unix_ms(at: datetime) -> int:
    """Return an aware time in Unix ms, rounded, but never into the year 10000."""
    return min(LATEST_MS, round(at.astimezone(UTC).timestamp() * 1000))


def shown(value: object) -> str:
    """Return *value* in short, for a message of one line; it may be anything."""
    try:
        if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
            return f"an int of {value.bit_length()} bits"
        said = ascii(value)
    except Exception:  # noqa: BLE001 -- somebody's own __repr__
        said = f"a {type(value).__name__}"
    return said if len(said) <= _SHOWN_CHARACTERS else f"{said[:_SHOWN_CHARACTERS]}…"


def _fits(value: float, least: float, most: float) -> bool:
    return least <= value <= most  # which NaN is not
