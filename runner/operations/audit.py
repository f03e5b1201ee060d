"""The audit log: who did what when. It keeps the last ten thousand actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING

from runner.broker import keys
from runner.broker.reading import Unreadable, answers, cut, moment, shown_id
from runner.broker.set_aside import note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

_MOST = 10_000
_SHOWN = 500
_FIELDS = ("who", "action", "target", "detail", "outcome")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    One action of an operator.

    Attributes:
        entry_id: Id of the entry.
        at: When it was done; null if no calendar has it.
        who: Name of the operator.
        action: What was done.
        target: What it was done to.
        detail: What it was done with, such as the queue to move to.
        outcome: How it ended.
    """

    entry_id: str
    at: datetime | None
    who: str
    action: str
    target: str
    detail: str
    outcome: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """
    Some entries of the audit log.

    Attributes:
        entries: The entries, latest first.
        before: Id of the entry before which the next page starts; null on the last page.
        unreadable: What of the log cannot be read, and why; empty if all can.
    """

    entries: list[AuditEntry]
    before: str | None
    unreadable: str = ""


async def record(
    redis: Redis, *, who: str, action: str, target: str, detail: str = "", outcome: str = ""
) -> None:
    """Add an entry."""
    values = (who, action, target, detail, outcome)
    await note(redis, keys.of(redis).audit, _MOST, dict(zip(_FIELDS, values, strict=True)))


async def entries(redis: Redis, *, before: str | None = None, limit: int = 50) -> AuditPage:
    """The latest entries before *before*, newest first, and where the next page starts."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xrevrange(keys.of(redis).audit, max=f"({before}" if before else "+", count=limit + 1)
        [found] = await answers(pipe)
    if isinstance(found, Unreadable):
        return AuditPage([], None, str(found))
    page = [_entry(entry_id, fields) for entry_id, fields in found[:limit]]
    return AuditPage(page, page[-1].entry_id if len(found) > limit else None)


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> AuditEntry:
    """Whatever fields it has: those of ours that it lacks are empty."""
    who, action, target, detail, outcome = (
        cut(shown_id(fields.get(name.encode(), b"")), _SHOWN) for name in _FIELDS
    )
    at = moment(int(entry_id.partition(b"-")[0]))
    return AuditEntry(entry_id.decode(), at, who, action, target, detail, outcome)
