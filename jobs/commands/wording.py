"""Times and numbers as the tables of the commands say them."""

from __future__ import annotations

from datetime import UTC, datetime

NOTHING = "–"
_STEPS = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (60 * 2, 60, "min"), (0, 1, "s"))


def counted(number: int | None) -> str:
    """Say a number, or that there is none."""
    return NOTHING if number is None else f"{number:,}"


def gained(number: int | None) -> str:
    """Say a change with its sign."""
    return NOTHING if number is None else f"{number:+,}"


def ago(at: datetime | None) -> str:
    """Say how long ago *at* was: `5 min ago`."""
    return NOTHING if at is None else f"{_span((datetime.now(UTC) - at).total_seconds())} ago"


def ahead(at: datetime | None) -> str:
    """Say how far ahead *at* is: `in 3 h`, or that it is due."""
    if at is None:
        return NOTHING
    seconds = (at - datetime.now(UTC)).total_seconds()
    return "due" if seconds <= 0 else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    least, size, unit = next(step for step in _STEPS if max(seconds, 0) >= step[0])
    del least
    return f"{max(seconds, 0) / size:.0f} {unit}"
