"""A store on each database: SQLite in a file, PostgreSQL in a database made for this run."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from jobs.store import ChannelStore, migrate, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

VARIABLE = "PIPELINE_TEST_POSTGRES"
BOTH = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """Return the URL of a PostgreSQL server that allows new databases, or skip."""
    pytest.importorskip("asyncpg")
    server = os.environ.get(VARIABLE, "postgresql://postgres@127.0.0.1:5432").rstrip("/")
    try:
        asyncio.run(_execute(server, "SELECT 1"))
    except Exception as error:  # noqa: BLE001 -- whatever the reason, it is one to skip
        pytest.skip(f"no PostgreSQL: {error} ({VARIABLE} names a server)")
    return server


@pytest.fixture
def new_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Return a maker of empty databases with random names; they are dropped after the test."""
    yield from _databases(postgres_server)


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: str) -> Iterator[str]:
    """Make a database with tables, shared by tests that empty it first."""
    for make in _databases(postgres_server):
        url = make()
        asyncio.run(migrate(url))
        yield url


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables, for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    make: Callable[[], str] = request.getfixturevalue("new_postgres")
    return make()


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database with empty tables, for each kind of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db"
        asyncio.run(migrate(url))
        return url
    url = str(request.getfixturevalue("shared_postgres"))
    asyncio.run(_execute(url, "TRUNCATE channels, quota_days CASCADE"))
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[ChannelStore]:
    """Open an empty store, for each kind of database."""
    async with open_store(database_url) as opened:
        yield opened


def _databases(server: str) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        name = f"pipeline_test_{secrets.token_hex(8)}"
        asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
        made.append(name)
        return f"{server}/{name}"

    yield make
    for name in made:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> Any:
    import asyncpg

    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
