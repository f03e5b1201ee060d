"""The filters of the page templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from runner.operations.actions import ids_back
from runner.wording import ago, milliseconds, number, short, size, span, stamp


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
    "ids_back": ids_back,
}
