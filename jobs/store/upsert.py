"""Insert rows, or update existing ones: the same statement on both databases."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, or_

from jobs.store.models import HOLDS_OF_ALL
from jobs.store.types import StorableText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.dialects import postgresql, sqlite

    from jobs.store.models import Base

# Rows per round trip: limits what driver and server hold at once.
_CHUNK = 5_000


def upsert(connection: Connection, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """
    Write *rows*, each with every column that a source gives; a given value replaces the stored one.

    A null or an empty text gives no value and changes nothing, nor does a row that is equal to the
    stored one: writing twice leaves no trace. A column marked `HOLDS_OF_ALL` stays false once it
    was false; one marked `NAMED` keeps a value that a person chose.
    """
    if not rows:
        return
    statement = _upsert(connection.dialect.name, model)
    for start in range(0, len(rows), _CHUNK):
        connection.execute(statement, rows[start : start + _CHUNK])


def insert(connection: Connection, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that can say ON CONFLICT, in the dialect of *connection*."""
    return insert_in(connection.dialect.name, model)


def insert_in(dialect: str, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Begin it in *dialect*, for a statement that is kept."""
    table: Any = model.__table__
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


@cache
def _upsert(dialect: str, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Built once: building it takes longer than writing a hundred rows."""
    statement = insert_in(dialect, model)
    table = model.__table__
    merged: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        if not column.primary_key:
            given: ColumnElement[Any] = statement.excluded[column.name]
            if isinstance(column.type, StorableText):
                given = func.nullif(given, "")
            merged[column.name] = func.coalesce(given, column)
            if "stays_where" in column.info:
                chosen = table.c[column.info["stays_where"]].is_(True)
                merged[column.name] = case((chosen, column), else_=merged[column.name])
            if column.info == HOLDS_OF_ALL:
                merged[column.name] = func.coalesce(and_(given, column), given, column)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_=merged,
        where=or_(*(table.c[name].is_distinct_from(value) for name, value in merged.items())),
    )
