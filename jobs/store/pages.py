"""Whole tables, page by page: what an export reads, however large they are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import String, bindparam, literal, select, tuple_

from jobs.store.models import AnalysisRow, ChannelSnapshotRow, ItemRow, ItemSnapshotRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from jobs.store.models import Base

Kept = Literal["items", "item-snapshots", "channel-snapshots"]

_MODELS: dict[Kept, type[Base]] = {
    "items": ItemRow,
    "item-snapshots": ItemSnapshotRow,
    "channel-snapshots": ChannelSnapshotRow,
}
_PAGE = 20_000


def page(
    connection: Connection,
    kept: Kept,
    columns: Sequence[str],
    channel_id: str | None,
    after: Sequence[Any] | None,
) -> list[tuple[Any, ...]]:
    """
    Give the *columns* of rows that follow the key *after*, by key, of one channel or of all.

    *after* None gives the first page; an empty page is the last one.
    """
    model = _MODELS[kept]
    query = _first(model, tuple(columns))
    if channel_id is not None:
        query = query.where(model.__table__.c.channel_id == channel_id)
    if after is not None:
        key = list(model.__table__.primary_key)
        values = [literal(value, column.type) for value, column in zip(after, key, strict=True)]
        query = query.where(tuple_(*key) > tuple_(*values))
    return [tuple(row) for row in connection.execute(query)]


def channel_ids(connection: Connection, after: str, limit: int) -> list[str]:
    """Give the ids of *limit* channels with an analysis that follow *after*."""
    return list(connection.scalars(_ANALYSED, {"after": after, "limit": limit}))


_ANALYSED = (
    select(AnalysisRow.channel_id)
    .where(AnalysisRow.channel_id > bindparam("after", type_=String()))
    .distinct()
    .order_by(AnalysisRow.channel_id)
    .limit(bindparam("limit"))
)


@cache
def _first(model: type[Base], columns: tuple[str, ...]) -> Select[Any]:
    table = model.__table__
    return select(*(table.c[name] for name in columns)).order_by(*table.primary_key).limit(_PAGE)
