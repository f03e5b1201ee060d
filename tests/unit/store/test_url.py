"""`DATABASE_URL`, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store.errors import StoreError
from jobs.store.url import PostgresServer, SqliteFile, parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///store.db", "store.db"),
        ("sqlite:////var/lib/store.db", "/var/lib/store.db"),
        ("sqlite+aiosqlite:///data/store.db", "data/store.db"),
        ("SQLite:///a%20b/%C3%A9.db", "a b/é.db"),
        (" sqlite:///store.db\n", "store.db"),
    ],
)
def test_sqlite_url_names_a_file(url: str, path: str) -> None:
    """Three slashes are relative, four absolute; a driver and stray blanks do not matter."""
    assert parse_url(url) == SqliteFile(Path(path))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "Postgres"])
def test_postgres_url_is_made_the_drivers(scheme: str) -> None:
    """However the scheme is written, the driver gets the one of libpq."""
    found = parse_url(f"{scheme}://me:p%40ss@db.local:5433/channels?sslmode=require")
    assert found == PostgresServer("postgresql://me:p%40ss@db.local:5433/channels?sslmode=require")


def test_connect_timeout_is_ours_to_keep() -> None:
    """`connect_timeout`, which the driver would send to the server, sets our limit."""
    assert parse_url("postgres://h/d?connect_timeout=3") == PostgresServer("postgresql://h/d", 3.0)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "neither SQLite nor PostgreSQL"),
        ("store.db", "neither SQLite nor PostgreSQL"),
        ("mysql://me:secret@h/d", "neither SQLite nor PostgreSQL"),
        ("sqlite://store.db", "three slashes"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///store.db?mode=ro", "no parameters"),
        ("postgres://me:se/cret@h/d", "percent-encode"),
        ("postgres://me:se#cret@h/d", "percent-encode"),
        ("postgres://me:cret@h:cret/d", "host or port cannot be read"),
        ("postgres://me:[cret@h/d", "host or port cannot be read"),
        ("postgres:/me:cret@h/d", "neither SQLite nor PostgreSQL"),
        ("postgres://h/d?connect_timeout=soon", "not a number"),
    ],
)
def test_wrong_url_is_refused_in_one_line(url: str, says: str) -> None:
    """The message names the setting, the problem and the remedy, and no password."""
    with pytest.raises(StoreError, match=says) as caught:
        parse_url(url)
    message = str(caught.value)
    assert message.startswith("DATABASE_URL: ")
    assert "\n" not in message
    assert "cret" not in message


def test_where_has_no_password() -> None:
    """Messages name the database by host and name only."""
    where = parse_url("postgres://me:secret@db.local:5433/channels").where
    assert where == "PostgreSQL database channels at db.local:5433"
