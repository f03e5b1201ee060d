"""Read `DATABASE_URL` as people write it, and turn it into what the drivers need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from jobs.store.errors import StoreError

CONNECT_TIMEOUT_S = 10.0

_REMEDY = "write sqlite:///path/to/file.db or postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A SQLite database: one file."""

    path: Path

    @property
    def where(self) -> str:
        """How messages name this database."""
        return f"SQLite database {self.path}"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A PostgreSQL database; *dsn* is libpq's form of its URL, password included."""

    dsn: str
    connect_timeout_s: float = CONNECT_TIMEOUT_S

    @property
    def where(self) -> str:
        """How messages name this database: never with user or password."""
        parts = urlsplit(self.dsn)
        host = parts.netloc.rpartition("@")[2] or "the default host"
        return f"PostgreSQL database {parts.path.lstrip('/') or '(default)'} at {host}"


DatabaseUrl = SqliteFile | PostgresServer


def parse_url(url: str) -> DatabaseUrl:
    """
    Read *url*: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://…`, `postgres://…`.

    A driver in the scheme (`postgresql+psycopg://`) is accepted and ignored: there is one
    asynchronous driver for each database.

    Raises:
        StoreError: It is none of these, or malformed.
    """
    scheme, _, rest = url.strip().partition("://")
    match scheme.lower().partition("+")[0]:
        case "sqlite":
            return _sqlite(rest)
        case "postgresql" | "postgres":
            return _postgres(rest)
        case _:
            # The URL itself is not repeated: it may carry a password.
            raise StoreError("DATABASE_URL", "it names neither SQLite nor PostgreSQL", _REMEDY)


def _sqlite(rest: str) -> SqliteFile:
    host, slash, path = rest.partition("/")
    if host or not slash:
        raise StoreError(
            "DATABASE_URL", "a SQLite URL has three slashes, or four and an absolute path", _REMEDY
        )
    if path in {"", ":memory:"}:
        raise StoreError(
            "DATABASE_URL", "a database in memory is lost with each connection", _REMEDY
        )
    if "?" in path:
        raise StoreError("DATABASE_URL", "a SQLite URL takes no parameters", _REMEDY)
    return SqliteFile(Path(unquote(path)))


def _postgres(rest: str) -> PostgresServer:
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" not in netloc and "@" in rest:
        # Without this, the driver would take half of the password for the host, and print it.
        raise StoreError(
            "DATABASE_URL",
            "its password holds a character that has a meaning in URLs",
            "percent-encode it: / is %2F, ? is %3F, # is %23",
        )
    try:
        parts = urlsplit(f"postgresql://{rest}")
        _ = parts.port
    except ValueError:
        raise StoreError("DATABASE_URL", "its host or port cannot be read", _REMEDY) from None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    timeout = query.pop("connect_timeout", str(CONNECT_TIMEOUT_S))
    try:
        timeout_s = float(timeout)
    except ValueError:
        raise StoreError(
            "DATABASE_URL", f"connect_timeout={timeout} is not a number", "give seconds"
        ) from None
    dsn = urlunsplit(parts._replace(query=urlencode(query), fragment=""))
    return PostgresServer(dsn, timeout_s)
