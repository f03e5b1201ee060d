"""Counts, sizes and times in words: the same on pages, in commands, logs and reports."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from runner import wall_clock

_ahead = timedelta()

NOTHING = "–"
"""Stands where nothing is known."""

_THOUSAND, _KIB = 1_000, 1_024
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def count_ages_from(redis_now: datetime) -> None:
    """Count ages by Redis's clock from now on, in this process: this machine's may be wrong."""
    global _ahead  # noqa: PLW0603 -- a process has one clock
    _ahead = redis_now - wall_clock.now()


def now() -> datetime:
    """Return the time by which ages are counted: Redis's, once it is known."""
    return wall_clock.now() + _ahead


def counted(number: int, word: str) -> str:
    """Return *number* and *word*, in the plural but for one: `1 row`, `2,522 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def number(value: float | None) -> str:
    """1234567 → 1,234,567."""
    return NOTHING if value is None else f"{value:,.0f}"


def gained(value: int | None) -> str:
    """A change, with its sign: +1,234."""
    return NOTHING if value is None else f"{value:+,}"


def short(value: float) -> str:
    """1234567 → 1.23 M, for axes and narrow columns."""
    for scale, unit in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:.3g}"


def size(count: float) -> str:
    """Bytes in the unit that suits them: 512 B, 12.3 MiB, 256 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KIB:
            return f"{_one_decimal(count)} {unit}"
        count /= _KIB
    return f"{_one_decimal(count)} TiB"


def span(seconds: float | None) -> str:
    """A length of time, in two units at most: 850 ms, 12.3 s, 4 min 10 s, 3 d 2 h."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * _THOUSAND:.0f} ms"
    if seconds < _MINUTE:
        return f"{_one_decimal(seconds)} s"
    if seconds < _HOUR:
        return _two_units(seconds, _MINUTE, "min", 1, "s")
    if seconds < _DAY:
        return _two_units(seconds, _HOUR, "h", _MINUTE, "min")
    return _two_units(seconds, _DAY, "d", _HOUR, "h")


def milliseconds(ms: float | None) -> str:
    """A length of time that is given in milliseconds."""
    return NOTHING if ms is None else span(ms / _THOUSAND)


def elapsed(since: datetime | None) -> str:
    """How long ago *since* was, in a column whose heading says so."""
    return NOTHING if since is None else span((now() - since).total_seconds())


def ago(when: datetime | None) -> str:
    """How long ago *when* was, or how far ahead it is: 4 min 10 s ago, in 3 h."""
    if when is None:
        return NOTHING
    seconds = int((now() - when).total_seconds())
    if seconds == 0:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def due(when: datetime | None) -> str:
    """How far ahead *when* is, or that it has come: in 3 h, due."""
    return "due" if when is not None and when <= now() else ago(when)


def time_of_day(when: datetime | None) -> str:
    """A time in UTC, without its date if that is today."""
    if when is None:
        return NOTHING
    at = when.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == wall_clock.now().date() else f"{at:%Y-%m-%d %H:%M}"


def local_time(when: datetime | None) -> str:
    """
    A time in the zone of this machine, with its date: `30 Nov 17:28:06`, `30 Nov 2025 17:28`.

    `zone` names its offset from UTC, once for many; a time with another one, as in summer, says so.
    """
    if when is None:
        return NOTHING
    at, now = when.astimezone(), wall_clock.now().astimezone()
    text = f"{at.day} {at:%b %H:%M:%S}" if at.year == now.year else f"{at.day} {at:%b %Y %H:%M}"
    return text if at.utcoffset() == now.utcoffset() else f"{text} {_offset(at)}"


def zone() -> str:
    """How far the zone of this machine is from UTC now: `UTC+1`, `UTC-3:30`, `UTC`."""
    return _offset(wall_clock.now().astimezone())


TOLD = re.compile(r"(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d) UTC")
"""A time in a sentence that is read everywhere: of today, if without a date."""


def told_at(found: re.Match[str], at: datetime) -> datetime:
    """Return the time that was *found* by `TOLD` in what was said *at* a time."""
    day = found[1] or f"{at.astimezone(UTC):%Y-%m-%d}"
    return datetime.fromisoformat(f"{day}T{found[2]}+00:00")


def with_local_times(sentence: str) -> str:
    """*sentence* with its times in the zone of this machine, which each names."""

    def here(found: re.Match[str]) -> str:
        at = told_at(found, now()).astimezone()
        day = "" if at.date() == now().astimezone().date() else f"{at:%Y-%m-%d} "
        return f"{day}{at:%H:%M:%S} {_offset(at)}"

    return TOLD.sub(here, sentence)


def now_here() -> str:
    """What the clock of this machine says, with its zone."""
    return f"{local_time(wall_clock.now())} {zone()}"


def _offset(at: datetime) -> str:
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / _MINUTE)
    hours, rest = divmod(abs(minutes), 60)
    if not minutes:
        return "UTC"
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def stamp(when: datetime | None) -> str:
    """A time in UTC with its date, to the second."""
    return NOTHING if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _one_decimal(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _two_units(seconds: float, large: int, name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(int(seconds), large)
    return f"{whole} {name}" + (f" {rest // small} {small_name}" if rest >= small else "")


DROPPED = "dropped: "
"""How it begins what is said of a job that another one has driven out of its lane."""


def not_started(dropped_for: str = "") -> str:
    """Say why an aborted job never started; dropped_for: the job that took its place."""
    if dropped_for:
        return f"{DROPPED}{dropped_for} took its place in its lane"
    return "aborted before it started"
