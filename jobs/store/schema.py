"""Bring a database's tables to the revision that this program needs, or remove them."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, inspect, text

from jobs.store.credentials import part_secrets
from jobs.store.database import Database
from jobs.store.errors import StoreError
from jobs.store.models import Base
from jobs.store.sqlite_engine import probe
from jobs.store.url import DatabaseUrl, SqliteFile, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.config import Config
    from sqlalchemy import Connection

# Revisions are numbered, so that the older of two is the smaller.
REVISION = "0013"

_MIGRATIONS = Path(__file__).with_name("migrations")

# Alembic keeps its current migration in module globals.
_one_at_a_time = threading.Lock()

# Any number that nobody else locks in this database.
_ADVISORY_LOCK = 0x6368616E6E656C73


async def migrate(url: str) -> None:
    """
    Create or upgrade the tables, all in one transaction; a database that has them is left alone.

    Secrets in the addresses of its sources, if there are any, are moved apart from the addresses.

    Any number of processes may call this at once: one does the work, the others find it done.
    SQLite makes the file, but not its folder.

    Raises:
        StoreError: The database cannot be reached or written; it is as it was before.
    """
    await asyncio.to_thread(_run, parse_url(url), _upgrade)


async def revert(url: str) -> None:
    """
    Drop the tables and everything in them.

    Raises:
        StoreError: The database cannot be reached or written; it is as it was before.
    """
    await asyncio.to_thread(_run, parse_url(url), _downgrade)


async def check(database: Database, url: DatabaseUrl) -> None:
    """
    Check that *database* has the tables, of this revision or, during a rollout, a newer one.

    Raises:
        StoreError: It cannot be reached, or its tables are missing or older.
    """
    if isinstance(url, SqliteFile):
        await asyncio.to_thread(probe, url)
    found = await database.read(_revision)
    if found is None:
        raise StoreError(url.where, "it has no tables of this program", "create them first")
    if found < REVISION:
        raise StoreError(
            url.where,
            f"its tables are of revision {found}, this program needs {REVISION}",
            "upgrade them first",
        )


def _run(url: DatabaseUrl, change: Callable[[Connection], None]) -> None:
    if isinstance(url, SqliteFile):
        probe(url, create=True)
    with _one_at_a_time:
        asyncio.run(_change(Database(url), change))


async def _change(database: Database, change: Callable[[Connection], None]) -> None:
    try:
        await database.write(_alone, change)
    finally:
        await database.close()


def _alone(connection: Connection, change: Callable[[Connection], None]) -> None:
    if connection.dialect.name == "postgresql":
        # SQLite's writers exclude each other anyway.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    change(connection)


def _upgrade(connection: Connection) -> None:
    found = _revision(connection)
    if found is None and Base.metadata.tables.keys().isdisjoint(
        inspect(connection).get_table_names()
    ):
        _create(connection)
    elif (found or "") < REVISION:
        # Before the import, which tells of each plugin; what it does helps nobody.
        _silence()
        from alembic import command

        command.upgrade(_alembic(connection), "head")
    if _revision(connection) == REVISION:
        part_secrets(connection)


def _create(connection: Connection) -> None:
    """Make all tables of a new database at once: Alembic and its steps take ten times as long."""
    Base.metadata.create_all(connection)
    version = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(connection, checkfirst=True)  # it stays when all is reverted
    connection.execute(version.insert().values(version_num=REVISION))


def _downgrade(connection: Connection) -> None:
    _silence()
    from alembic import command

    command.downgrade(_alembic(connection), "base")


def _silence() -> None:
    logging.getLogger("alembic").setLevel(max(logging.WARNING, logging.getLogger().level))


def _alembic(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
