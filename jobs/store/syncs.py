"""How each source of a channel was read last, and what it remembers for the next time."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, and_, bindparam, select

from jobs.channel.addresses import without_secrets
from jobs.channel.records import SourceRef, SyncOutcome
from jobs.channel.scope import Scope
from jobs.store.models import ItemRow, SourceCredentialRow, SourceRow, SourceSyncRow
from jobs.store.readings import save_readings
from jobs.store.rows import StoredSource, SyncCounts
from jobs.store.schedules import replan
from jobs.store.upsert import insert_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Executable

    from jobs.channel.records import SourceResult
    from jobs.store.rows import ChannelSchedule
    from jobs.store.schedules import Plan

_SUCCESSES = frozenset({SyncOutcome.READ, SyncOutcome.UNCHANGED})


def save_sync(
    connection: Connection,
    channel_id: str,
    results: Sequence[SourceResult],
    plan: Plan | None = None,
) -> tuple[SyncCounts, ChannelSchedule | None]:
    """
    Save what was read of the channel's sources, as `save_readings`, and how reading them went.

    A source's memory is committed with its reading, so it never knows more than the store. If
    the channel is scheduled, *plan* makes its next schedule.

    Returns the counts, and the channel's schedule: None if it is synced only on request.

    Raises:
        ValueError: A reading is of another channel.
    """
    readings = [result.reading for result in results if result.reading is not None]
    if any(one.channel.id != channel_id for one in readings):
        raise ValueError(f"a sync of {channel_id} saves only its own readings")
    counts = save_readings(connection, readings) if readings else SyncCounts()
    for result in results:
        _note(connection, channel_id, result)
    return counts, replan(connection, channel_id, plan)


def sources(connection: Connection, channel_id: str) -> list[StoredSource]:
    """Return the channel's sources in the order of their registration, with their last sync."""
    found = connection.execute(_SOURCES_OF, {"of": channel_id})
    return [_stored(row) for row in found]


def failing_sources(connection: Connection, at_least: int = 1) -> list[tuple[str, StoredSource]]:
    """Return the sources that failed *at_least* so many times in a row, by channel."""
    query = _SOURCES.where(SourceSyncRow.consecutive_failures >= at_least)
    found = [(row.channel_id, _stored(row)) for row in connection.execute(query)]
    return sorted(found, key=lambda one: (one[0], one[1].ref.location))


def listed_items(connection: Connection, channel_id: str) -> dict[str, datetime | None]:
    """Return the dates, by id, of the items that a source of the channel lists now."""
    found = connection.execute(
        select(ItemRow.item_id, ItemRow.published_at).where(
            ItemRow.channel_id == channel_id,
            ItemRow.first_listed_at.is_not(None),
            ItemRow.left_at.is_(None),
        )
    )
    return dict(found.all())


def _note(connection: Connection, channel_id: str, result: SourceResult) -> None:
    succeeded = result.outcome in _SUCCESSES
    scope = None if result.reading is None else result.reading.scope
    row: dict[str, Any] = {
        "channel_id": channel_id,
        "kind": result.ref.kind,
        "location": without_secrets(result.ref.location),
        "tried_at": result.at,
        "succeeded_at": result.at if succeeded else None,
        "outcome": str(result.outcome),
        "reason": result.reason,
        "consecutive_failures": int(result.outcome is SyncOutcome.FAILED),
        "memory": None if result.memory is None else dict(result.memory),
        "scope": None if scope is None else scope.as_json(),
    }
    remembers = result.memory is not None
    statement = _noting(connection.dialect.name, result.outcome, remembers=remembers)
    connection.execute(statement, row)


# Statements are built once: building takes longer than running them.
_SOURCES = (
    select(
        SourceRow.channel_id,
        SourceRow.kind,
        SourceRow.location,
        SourceCredentialRow.address,
        SourceSyncRow.tried_at,
        SourceSyncRow.succeeded_at,
        SourceSyncRow.outcome,
        SourceSyncRow.reason,
        SourceSyncRow.consecutive_failures,
        SourceSyncRow.memory,
        SourceSyncRow.scope,
    )
    .join(
        SourceSyncRow,
        and_(
            SourceSyncRow.channel_id == SourceRow.channel_id,
            SourceSyncRow.kind == SourceRow.kind,
            SourceSyncRow.location == SourceRow.location,
        ),
        isouter=True,
    )
    .join(
        SourceCredentialRow,
        and_(
            SourceCredentialRow.channel_id == SourceRow.channel_id,
            SourceCredentialRow.kind == SourceRow.kind,
            SourceCredentialRow.location == SourceRow.location,
        ),
        isouter=True,
    )
)
_SOURCES_OF = _SOURCES.where(SourceRow.channel_id == bindparam("of", type_=String())).order_by(
    SourceRow.position
)


@cache
def _noting(dialect: str, outcome: SyncOutcome, *, remembers: bool) -> Executable:
    statement = insert_in(dialect, SourceSyncRow)
    new = statement.excluded
    changed: dict[str, Any] = {name: new[name] for name in ("tried_at", "outcome", "reason")}
    if outcome in _SUCCESSES:
        changed |= {name: new[name] for name in ("succeeded_at", "consecutive_failures")}
    elif outcome is SyncOutcome.FAILED:
        changed["consecutive_failures"] = SourceSyncRow.consecutive_failures + 1
    if outcome is SyncOutcome.READ:
        changed["scope"] = new.scope
    if remembers:
        changed["memory"] = new.memory
    keys = list(SourceSyncRow.__table__.primary_key)
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _stored(row: Any) -> StoredSource:
    return StoredSource(
        ref=SourceRef(row.kind, row.location),
        whole=SourceRef(row.kind, row.address or row.location),
        tried_at=row.tried_at,
        succeeded_at=row.succeeded_at,
        outcome=None if row.outcome is None else SyncOutcome(row.outcome),
        reason=row.reason or "",
        consecutive_failures=row.consecutive_failures or 0,
        memory=row.memory or {},
        scope=Scope.from_json(row.scope) if row.scope else None,
    )
