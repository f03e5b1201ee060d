r"""
Values as they stand in Redis, whoever wrote them: none is trusted, and none breaks a page.

Any bytes can be the id of a job, and stock arq clients pass them on. Bytes that are not UTF-8 are
shown as `\xff`, and what is shown finds the job again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from runner.codec import Envelope, decode_job
from runner.errors import CodecError

NEVER = datetime.max.replace(tzinfo=UTC)
"""Sorts what has no time behind all that has one."""

_SHOWN_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


def shown_id(key: bytes | str) -> str:
    """The id as every page and command shows it."""
    return key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")


def keys_of(shown: str) -> list[bytes]:
    """The ids that are shown like this: the text itself first, then the bytes it may stand for."""
    itself = shown.encode("utf-8", "backslashreplace")
    meant = _SHOWN_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), itself)
    return [itself, meant] if meant != itself and shown_id(meant) == shown else [itself]


def readable(body: bytes | None) -> Envelope | None:
    """The job in *body*; None if it cannot be read."""
    try:
        return decode_job(body or b"")
    except CodecError:
        return None


def json_object(data: bytes | None) -> dict[str, Any]:
    """The JSON object in *data*; an empty one if it holds something else."""
    try:
        fields = from_json(data) if data else {}
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def moment(ms: float | None) -> datetime | None:
    """A time in Unix ms as an aware one; None if the calendar does not have it."""
    try:
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError, TypeError):
        return None


def whole(value: object) -> int | None:
    """A whole number; None if it is something else."""
    return value if isinstance(value, int) else None


def counter(value: bytes | None) -> int:
    """A counter; 0 if it is something else."""
    return int(value) if value is not None and value.isdigit() else 0


def crash_count(entries: bytes | None) -> int:
    """How many crashes are written in the entries that the scripts keep of a job."""
    return (entries or b"").count(b"=")


def listed(value: object) -> list[Any]:
    """A list; an empty one if it is something else."""
    return value if isinstance(value, list) else []


def lines(value: object) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(map(str, listed(value)))
