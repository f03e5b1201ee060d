"""A database that cannot be used is reported in one clear line."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from jobs.store import StoreError, migrate, open_store, revert, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


async def _error_on_opening(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        async with open_store(url):
            pytest.fail("it opened")
    return _one_line(caught.value)


async def _error_on_migrating(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        await migrate(url)
    return _one_line(caught.value)


def _one_line(error: StoreError) -> str:
    assert "\n" not in str(error)
    return str(error)


async def test_opening_without_tables_says_to_create_them(empty_url: str) -> None:
    """A database that was never migrated is not written to by opening it."""
    assert "first" in await _error_on_opening(empty_url)


async def test_opening_makes_no_file(tmp_path: Path) -> None:
    """A mistyped path leaves no empty database behind."""
    path = tmp_path / "absent.db"
    assert await _error_on_opening(f"sqlite:///{path}") == (
        f"SQLite database {path}: there is no such file; create its tables first"
    )
    assert not path.exists()


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """The folder of a SQLite file is the user's to make."""
    error = await _error_on_migrating(f"sqlite:///{tmp_path}/absent/store.db")
    assert f"the folder {tmp_path}/absent does not exist" in error


async def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file with other content is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one\n" * 100)
    before = path.read_bytes()
    assert "file is not a database; name another file" in await _error_on_migrating(
        f"sqlite:///{path}"
    )
    assert "file is not a database" in await _error_on_opening(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    """A folder is not a database."""
    error = await _error_on_migrating(f"sqlite:///{tmp_path}")
    assert "unable to open database file; make its folder" in error


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """Make a folder that cannot be written."""
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_unwritable_folder_is_named(unwritable: Path) -> None:
    """The error says that the state directory cannot be written."""
    error = await _error_on_migrating(f"sqlite:///{unwritable}/store.db")
    assert "unable to open database file; make its folder" in error


async def test_older_tables_are_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program newer than the tables says to upgrade them; an older one works."""
    newest = schema.REVISION
    monkeypatch.setattr("jobs.store.schema.REVISION", "9999")
    error = await _error_on_opening(database_url)
    assert f"its tables are of revision {newest}, this program needs 9999" in error
    monkeypatch.setattr("jobs.store.schema.REVISION", "0000")
    async with open_store(database_url) as store:
        await store.ping()


async def test_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL's driver, the message names the extra that installs it."""
    monkeypatch.setattr("jobs.store.postgres_engine.find_spec", lambda _name: None)
    error = await _error_on_opening("postgres://h/d")
    assert error.endswith("is not installed; pip install 'channel-pipeline[postgres]'")


async def test_server_that_does_not_answer_is_named() -> None:
    """A refused connection names host, port and what to do, and never the password."""
    pytest.importorskip("asyncpg")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = taken.getsockname()[1]
        error = await _error_on_opening(f"postgres://me:secret@127.0.0.1:{port}/channels")
    assert f"PostgreSQL database channels at 127.0.0.1:{port}: " in error
    assert error.endswith("start it, or correct DATABASE_URL")
    assert "secret" not in error


async def test_server_that_accepts_and_is_silent_is_given_up() -> None:
    """A host that accepts and never answers is given up after the time limit."""
    pytest.importorskip("asyncpg")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = await _error_on_opening(f"postgres://127.0.0.1:{port}/d?connect_timeout=0.1")
    assert "no answer within 0.1 s" in error


async def test_missing_postgres_database_is_named(postgres_server: str) -> None:
    """A server without that database says so in its own words."""
    error = await _error_on_opening(f"{postgres_server}/pipeline_test_absent")
    assert 'database "pipeline_test_absent" does not exist; correct DATABASE_URL' in error


async def test_unknown_postgres_parameter_is_named(postgres_server: str) -> None:
    """An unknown parameter is refused by name."""
    error = await _error_on_opening(f"{postgres_server}/postgres?no_such_setting=1")
    assert "no_such_setting" in error


async def test_missing_tables_are_reported(empty_url: str) -> None:
    """An error of the driver leaves a method as a `StoreError` that says what to do."""
    await migrate(empty_url)
    async with open_store(empty_url) as store:
        await revert(empty_url)
        with pytest.raises(StoreError) as caught:
            await store.channels.all()
    assert "bring its tables up to date" in _one_line(caught.value)


async def test_store_outlives_lost_connections(new_postgres: Callable[[], str]) -> None:
    """After the server has cut every connection the next call works."""
    import asyncpg

    url = await asyncio.to_thread(new_postgres)
    await migrate(url)
    async with open_store(url) as store:
        admin = await asyncpg.connect(url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await admin.close()
        await store.ping()
