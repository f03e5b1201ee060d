"""Whole tables page by page, for an export."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import String, bindparam, literal, select, tuple_

from jobs.store.models import (
    AnalysisRow,
    ChannelFiguresRow,
    ChannelGainRow,
    ChannelSnapshotRow,
    ItemFiguresRow,
    ItemGainRow,
    ItemRow,
    ItemSnapshotRow,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from jobs.store.models import Base

Kept = Literal[
    "items",
    "item-snapshots",
    "channel-snapshots",
    "gains",
    "item-gains",
    "figures",
    "item-figures",
]

_MODELS: dict[Kept, type[Base]] = {
    "items": ItemRow,
    "item-snapshots": ItemSnapshotRow,
    "channel-snapshots": ChannelSnapshotRow,
    "gains": ChannelGainRow,
    "item-gains": ItemGainRow,
    "figures": ChannelFiguresRow,
    "item-figures": ItemFiguresRow,
}
_PAGE = 20_000


def page(
    connection: Connection,
    kept: Kept,
    columns: Sequence[str],
    *,
    channel_id: str | None = None,
    after: Sequence[Any] | None = None,
) -> list[tuple[Any, ...]]:
    """
    Return *columns* of the next rows of a table by key, of one channel or of all.

    after: the key of the last row seen; None for the first page. An empty page ends the table.
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


def analysed_channel_ids(connection: Connection, after: str = "", limit: int = 100) -> list[str]:
    """Return the ids of the next *limit* analysed channels after *after*."""
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
