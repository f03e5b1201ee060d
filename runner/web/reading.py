"""What pages and API read from a request: numbers, bodies, states, filters, actions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from runner.operations.actions import Request, known_queue
from runner.operations.paging import Sort
from runner.operations.search import Filter
from runner.operations.verbs import JOB_VERBS, Action, Asks
from runner.states import LISTED, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import FormData, QueryParams
    from starlette.requests import Request as WebRequest

B = TypeVar("B", bound=BaseModel)

ENTRY = re.compile(r"\d{1,16}-\d{1,6}")
"""The id of an entry in the audit log."""

BADGES = ("job", "queue", "state", "error", "like", "id", "text", "since", "until")
"""What the address of the list may hold, beside arguments."""

ARGUMENT = "arg."
_BADGE = re.compile(r'([a-z]+(?:\.[A-Za-z_]\w*)?):(?:"([^"]*)"|(\S+))|(\S+)')
_BACK = re.compile(r"(\d{1,6})(s|m|min|h|d)")
_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_LONGEST_FILTER = 200
_LONGEST_TYPED = 1_000
_MOST_ARGUMENTS = 5


def whole_number(request: WebRequest, name: str, default: int, most: int) -> int:
    """
    Read a number from 1 to *most* from the query; *default* if it is not there.

    Raises:
        HTTPException: 400, it is not such a number.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= most):
        raise HTTPException(400, f"{name} must be a whole number from 1 to {most}")
    return int(text)


async def body_of(request: WebRequest, kind: type[B]) -> B:
    """
    Read the body, which is JSON.

    Raises:
        HTTPException: 400, it does not fit *kind*.
    """
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise HTTPException(400, f"{place}: {first['msg']}") from None


def state_of(query: QueryParams) -> JobState:
    """
    Read the state whose jobs to list; ready ones if the query names none.

    Raises:
        HTTPException: 404, jobs in that state are not listed.
    """
    text = query.get("state", JobState.READY)
    if text not in {str(state) for state in LISTED}:
        raise HTTPException(404, f"jobs that are {text[:50]!r} cannot be listed")
    return JobState(text)


def filter_of(query: QueryParams, now: datetime | None = None) -> Filter:
    """
    Read which jobs to list. now: Redis's time, which `since=1h` counts back from.

    Raises:
        HTTPException: 400, a time cannot be read.
    """

    def asked(name: str) -> str:
        return query.get(name, "").strip()[:_LONGEST_FILTER]

    arguments = tuple(
        (name.removeprefix(ARGUMENT), value.strip()[:_LONGEST_FILTER])
        for name, value in query.multi_items()
        if name.startswith(ARGUMENT) and value.strip()
    )
    return Filter(
        name=asked("job"),
        job_id=asked("id"),
        text=asked("text"),
        error=asked("error"),
        like=asked("like"),
        arguments=arguments[:_MOST_ARGUMENTS],
        since=moment_of(asked("since"), now),
        until=moment_of(asked("until"), now),
    )


def moment_of(text: str, now: datetime | None) -> datetime | None:
    """
    Read a time, or how long before *now*: `90s`, `10m`, `1h`, `2d`, `today`; None if it is empty.

    Raises:
        HTTPException: 400, it is neither.
    """
    if not text:
        return None
    if now is not None and text == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0)
    back = _BACK.fullmatch(text.replace(" ", ""))
    if now is not None and back:
        return now - timedelta(seconds=int(back[1]) * _UNITS_S[back[2]])
    return time_of(text.replace(" ", "+") if "T" in text else text)


def badges_of(text: str) -> list[tuple[str, str]]:
    """
    Read what was typed into the field of the list: badges such as `state:dead`, and any text.

    A value with spaces stands in double quotes.
    """
    found: list[tuple[str, str]] = []
    words = []
    for name, quoted, value, word in _BADGE.findall(text[:_LONGEST_TYPED]):
        known = name in BADGES or name.startswith(ARGUMENT)
        if known and (quoted or value):
            found.append((name, quoted or value))
        else:
            words.append(word or f"{name}:{quoted or value}")
    if words:
        found.append(("text", " ".join(words)))
    return found


def states_of(query: QueryParams) -> list[JobState]:
    """
    Read the states whose jobs to list; all of them if the query names none.

    Raises:
        HTTPException: 404, jobs in that state are not listed.
    """
    return [state_of(query)] if query.get("state") else list(LISTED)


def sort_of(query: QueryParams) -> Sort | None:
    """
    Read which jobs come first; None if the query does not say.

    Raises:
        HTTPException: 400, there is no such order.
    """
    text = query.get("sort", "")
    if text and text not in set(Sort):
        raise HTTPException(400, f"sort is {text[:50]!r}: say {' or '.join(Sort)}")
    return Sort(text) if text else None


def read_request(form: FormData, queues: Sequence[str]) -> Request:
    """
    Read an action and what it needs.

    Raises:
        HTTPException: 400, there is no such action, or its time cannot be read.
        ConfigurationError: What the action needs is missing, or no queue of *queues*.
    """
    action = action_of(text_of(form, "action"))
    asks = JOB_VERBS[action].asks
    at = time_of(text_of(form, "at")) if asks is Asks.TIME else None
    to = text_of(form, "to")
    return Request(action, at=at, to=known_queue(queues, to) if to else None)


def action_of(text: str) -> Action:
    """
    Read the name of an action.

    Raises:
        HTTPException: 400, there is none.
    """
    try:
        return Action(text)
    except ValueError:
        raise HTTPException(400, f"there is no action {text[:50]!r}") from None


def time_of(text: str) -> datetime:
    """
    Read a time in ISO 8601; it is in UTC if it names no zone.

    Raises:
        HTTPException: 400, it cannot be read.
    """
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise HTTPException(
            400, f"{text[:50]!r} is not a time: write it as 2030-01-31 12:00, in UTC"
        ) from None


def text_of(form: FormData, name: str) -> str:
    """Read a field of a form; empty if it is not there, or is a file."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""
