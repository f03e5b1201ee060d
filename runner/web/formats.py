"""Numbers, times and spans as people read them. Pure, but for the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from runner.operations.spans import span

_KIB = 1024
_THOUSAND = 1000


def number(value: float | None) -> str:
    """1234567 → 1,234,567; nothing known → –."""
    return "–" if value is None else f"{value:,.0f}"


def short(value: float) -> str:
    """1234567 → 1.2 M, for axes and tight places."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def size(count: float) -> str:
    """Bytes → 12.3 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KIB:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIB
    return f"{count:.1f} TiB"


def milliseconds(ms: float | None) -> str:
    """A length of time given in ms."""
    return "–" if ms is None else span(ms / _THOUSAND)


def ago(when: datetime | None) -> str:
    """How long *when* has passed, or is still to come."""
    if when is None:
        return "–"
    seconds = (datetime.now(UTC) - when).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(int(seconds))} ago" if seconds > 0 else f"in {span(int(-seconds))}"


def stamp(when: datetime | None) -> str:
    """The time itself, in UTC."""
    return "–" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(when: datetime | None) -> str:
    """For machines."""
    return "" if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds")


def pretty(value: Any) -> str:
    """A JSON value on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def inline(value: Any) -> str:
    """A JSON value on one line; an object without its braces, as arguments are read."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name}={json.dumps(item, ensure_ascii=False, default=str)}"
            for name, item in value.items()
        )
    return json.dumps(value, ensure_ascii=False, default=str)


FILTERS = {
    "number": number,
    "short": short,
    "size": size,
    "span": span,
    "ms": milliseconds,
    "ago": ago,
    "stamp": stamp,
    "iso": iso,
    "pretty": pretty,
    "inline": inline,
}
