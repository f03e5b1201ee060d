"""The audit log: who did what when. It keeps the last ten thousand actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- the API's schema reads it
from typing import TYPE_CHECKING, Any

from runner.broker import keys
from runner.operations.stored import moment

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """
    One action of an operator.

    Attributes:
        entry_id: Id of the entry.
        at: When it was done.
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


async def record(
    redis: Redis, *, who: str, action: str, target: str, detail: str = "", outcome: str = ""
) -> None:
    """Add an entry."""
    fields: dict[Any, Any] = {
        "who": who,
        "action": action,
        "target": target,
        "detail": detail,
        "outcome": outcome,
    }
    await redis.xadd(keys.AUDIT, fields, maxlen=_MOST, approximate=True)


async def entries(
    redis: Redis, *, before: str | None = None, limit: int = 50
) -> tuple[list[AuditEntry], str | None]:
    """The latest entries before *before*, newest first, and where the next page starts."""
    found = await redis.xrevrange(keys.AUDIT, max=f"({before}" if before else "+", count=limit + 1)
    page = [
        AuditEntry(
            entry_id=entry_id.decode(),
            at=moment(int(entry_id.partition(b"-")[0])),
            **{name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()},
        )
        for entry_id, fields in found[:limit]
    ]
    return page, page[-1].entry_id if len(found) > limit else None
