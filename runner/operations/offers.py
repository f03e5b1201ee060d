"""What may be typed into the search of the list: badges, and values seen in the last jobs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from runner import clock
from runner.operations.jobs import list_jobs
from runner.operations.queues import queues
from runner.redaction import REDACTED
from runner.states import LISTED, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from redis.asyncio import Redis

    from runner.operations.catalog import Catalog
    from runner.operations.jobs import Row

_SEEN: Final = 100
"""Jobs of each queue and state that are looked at, the last ones."""

_FRESH_S: Final = 10.0
_MOST: Final = 8
_LONGEST: Final = 80
_SPANS: Final = ("10m", "1h", "6h", "today", "1d", "7d")
_ARGUMENT: Final = "arg."
_FAILED: Final = frozenset({JobState.DEAD, JobState.RETRYING})


@dataclass(frozen=True, slots=True)
class Offer:
    """
    Something to type.

    Attributes:
        text: What would stand in the field; a badge without a value ends in a colon.
        label: What it is, as one reads it.
        count: How many jobs have it, of those that were looked at; null if that says nothing.
    """

    text: str
    label: str
    count: int | None = None


class Offers:
    """Offers badges and values for what somebody types; it looks at the last jobs now and then."""

    def __init__(self, redis: Redis, names: Sequence[str], catalog: Catalog) -> None:
        self._redis = redis
        self._names = names
        self._catalog = catalog
        self._seen: dict[str, Counter[str]] = {}
        self._seen_s = -_FRESH_S
        self._looking = asyncio.Lock()

    async def matching(self, typed: str) -> list[Offer]:
        """Offer what goes on from *typed*, the word that somebody types; frequent ones first."""
        seen = await self._look()
        name, colon, begun = typed.partition(":")
        begun = begun.strip('"').lower()
        if not colon:
            badges = [
                Offer(f"{one}:", _LABELS.get(one, "an argument"))
                for one in seen
                if one.startswith(typed.lower())
            ]
            jobs = _fitting("job", seen["job"], typed.lower()) if typed else []
            return [*badges[:_MOST], *jobs[: _MOST // 2]]
        return _fitting(name, seen.get(name, Counter()), begun)[:_MOST]

    async def _look(self) -> Mapping[str, Counter[str]]:
        async with self._looking:
            if clock.monotonic() - self._seen_s >= _FRESH_S:
                self._seen = await self._count()
                self._seen_s = clock.monotonic()
        return self._seen

    async def _count(self) -> dict[str, Counter[str]]:
        seen: dict[str, Counter[str]] = {
            name: Counter() for name in ("job", "queue", "state", "error", "since", "text")
        }
        seen["job"].update(dict.fromkeys(self._catalog.jobs, 0))
        seen["since"].update(dict.fromkeys(_SPANS, 0))
        for queue in await queues(self._redis, self._names):
            counts = {state: getattr(queue, state.value) or 0 for state in LISTED}
            seen["queue"][queue.name] += sum(counts.values())
            seen["state"].update({str(state): many for state, many in counts.items()})
            for state, many in counts.items():
                if many:
                    page = await list_jobs(
                        self._redis, queue.name, state, self._catalog, limit=_SEEN
                    )
                    _add(seen, page.rows)
        return seen


_LABELS: Final = {
    "job": "name of the job",
    "queue": "queue",
    "state": "state",
    "error": "part of the last error",
    "since": "from when on",
    "text": "part of the arguments",
}


def _add(seen: dict[str, Counter[str]], rows: Iterable[Row]) -> None:
    for row in rows:
        if row.name:
            seen["job"][row.name] += 1
        if row.error and row.state in _FAILED:
            seen["error"][row.error] += 1
        for name, value in row.arguments.items():
            text = _text(value)
            if name.isidentifier() and text and text != REDACTED and '"' not in text:
                seen.setdefault(f"{_ARGUMENT}{name}", Counter())[text] += 1


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return text if len(text) <= _LONGEST and text.isprintable() else ""


def _fitting(name: str, values: Counter[str], begun: str) -> list[Offer]:
    found = [
        (value, many) for value, many in values.items() if begun in value.lower() and value.strip()
    ]
    # What begins as it was typed comes first, then what most jobs have.
    found.sort(key=lambda one: (not one[0].lower().startswith(begun), -one[1]))
    return [Offer(f"{name}:{_quoted(value)}", value, many or None) for value, many in found]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value
