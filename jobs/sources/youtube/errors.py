"""
What an error of the YouTube Data API means. Pure.

Errors come in two layouts (`errors` with a `reason` each; `status` and `details` beside them), as
a bare string, as HTML, or without any body; messages contain HTML. A used up day is a 403
`quotaExceeded`, or a 429 whose message says `per day`.
https://developers.google.com/youtube/v3/docs/errors
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from jobs.sources.text import without_tags

_DAY_IS_OVER = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
_TOO_FAST = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"}
)
_ABOUT_THE_KEY = frozenset(
    {
        "keyInvalid",
        "keyExpired",
        "accessNotConfigured",
        "forbidden",
        "ipRefererBlocked",
        "API_KEY_INVALID",
        "API_KEY_SERVICE_BLOCKED",
        "SERVICE_DISABLED",
        "required",
    }
)
_PER_DAY = "per day"
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN_CHARACTERS = 200


class Trouble(Enum):
    """What to do about a refusal."""

    DAY_IS_OVER = auto()
    WAIT = auto()
    KEY = auto()
    NOT_FOUND = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error: what to do about it, and its own text in one line."""

    trouble: Trouble
    text: str


def read_refusal(status: int, body: bytes) -> Refusal:
    """Return what an answer with *status* (not 2xx) means."""
    error = _error_in(body)
    reasons = _reasons(error)
    message = without_tags(str(error.get("message") or ""))[:_SHOWN_CHARACTERS]
    details = ", ".join(part for part in (next(iter(reasons), ""), message.rstrip(".")) if part)
    text = f"answered {status}" + (f" ({details})" if details else "")
    return Refusal(_trouble(status, reasons, message), text)


def _trouble(status: int, reasons: list[str], message: str) -> Trouble:
    given = set(reasons)
    limited = status == 429 or given & _TOO_FAST  # noqa: PLR2004 -- Too Many Requests
    if given & _DAY_IS_OVER or (limited and _PER_DAY in message.lower()):
        return Trouble.DAY_IS_OVER
    if limited or status in _TRANSIENT_STATUS:
        return Trouble.WAIT
    if status == 401 or (given & _ABOUT_THE_KEY and status in {400, 403}):  # noqa: PLR2004
        return Trouble.KEY
    return Trouble.NOT_FOUND if status == 404 else Trouble.OTHER  # noqa: PLR2004


def _error_in(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _reasons(error: dict[str, Any]) -> list[str]:
    parts = [*_listed(error, "errors"), *_listed(error, "details")]
    reasons = [str(part["reason"]) for part in parts if part.get("reason")]
    return list(dict.fromkeys(reasons))


def _listed(error: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = error.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
