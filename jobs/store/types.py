"""Column types that mean the same on both databases."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, DateTime, Text, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class UtcDateTime(TypeDecorator[datetime]):
    """
    An instant: aware when given, aware and in UTC when returned, exact to the microsecond.

    PostgreSQL stores it as `timestamptz`. SQLite has no time type and stores an integer,
    microseconds since 1970: it sorts, it is small, and whole columns become data frames without
    a Python object for each value. `datetime(observed_at / 1000000, 'unixepoch')` shows it.

    Raises:
        ValueError: The value has no time zone.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """See the class."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """See the class."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone")
        return (value - _EPOCH) // _MICROSECOND if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """See the class."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=value)
        found: datetime = value.astimezone(UTC)
        return found


class StorableText(TypeDecorator[str]):
    """
    Text that both databases accept, whatever a feed contains.

    PostgreSQL refuses U+0000, and both refuse half a surrogate pair. Each becomes U+FFFD, so that
    one odd title does not keep a whole channel out.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See the class."""
        del dialect
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class JsonDocument(TypeDecorator[dict[str, Any]]):
    """
    A JSON object that keeps its key order, so it is `json` in PostgreSQL, not `jsonb`.

    Raises:
        ValueError: A number is not finite, which JSON cannot express.
    """

    impl = JSON
    cache_ok = True


class epoch_us(FunctionElement[int]):  # noqa: N801 -- a SQL function, named as one
    """A `UtcDateTime` column as microseconds since 1970, made by the database."""

    name = "epoch_us"
    type = BigInteger()
    inherit_cache = True


@compiles(epoch_us, "sqlite")
def _epoch_us_sqlite(element: epoch_us, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(epoch_us, "postgresql")
def _epoch_us_postgresql(element: epoch_us, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(extract(epoch from {compiler.process(element.clauses, **kw)}) * 1000000)::bigint"
