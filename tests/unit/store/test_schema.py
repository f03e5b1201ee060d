"""Migrations make what the models declare: completely or not at all, and once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

import jobs.store
from jobs.store import StoreError, migrate, open_store, revert, schema
from jobs.store.database import Database
from jobs.store.models import Base
from jobs.store.url import parse_url
from tests.unit.store.samples import CHANNEL, reading

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(jobs.store.__file__).parents[2]
_MIGRATIONS = str(schema._MIGRATIONS)


async def _ask(url: str, question: Callable[[Connection], Any]) -> Any:
    database = Database(parse_url(url))
    try:
        return await database.read(question)
    finally:
        await database.close()


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def _differences(connection: Connection) -> Any:
    options = {"compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


async def _step_by_step(url: str) -> None:
    """Apply every revision, as to a database of the first release."""
    database = Database(parse_url(url))
    await database.write(lambda one: command.upgrade(schema._alembic(one), "head"))
    await database.close()


async def test_migrations_make_what_the_models_say(empty_url: str) -> None:
    """Tables made by the migrations and tables declared by the models are the same."""
    await _step_by_step(empty_url)
    assert await _ask(empty_url, _differences) == []


async def test_new_database_is_that_which_has_come_all_the_way(empty_url: str) -> None:
    """It gets its tables at once, and is known as one of this revision, even to Alembic."""

    def found(connection: Connection) -> Any:
        inspector = inspect(connection)
        names = sorted(inspector.get_table_names())
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
        keys = [inspector.get_pk_constraint(name)["name"] for name in names]
        return version, names, keys, _differences(connection)

    await migrate(empty_url)
    made = await _ask(empty_url, found)
    await revert(empty_url)
    await _step_by_step(empty_url)
    assert await _ask(empty_url, found) == made
    assert made[0] == ScriptDirectory(_MIGRATIONS).get_current_head()


async def test_migrations_name_constraints_as_the_models_do(empty_url: str) -> None:
    """Keys and the effect of deletion are compared, too, which Alembic does not."""

    def found(connection: Connection) -> Any:
        inspector = inspect(connection)
        return {
            table: (
                inspector.get_pk_constraint(table)["name"],
                inspector.get_pk_constraint(table)["constrained_columns"],
                sorted(
                    (key["name"], key["options"].get("ondelete"))
                    for key in inspector.get_foreign_keys(table)
                ),
            )
            for table in _tables(connection)
        }

    await _step_by_step(empty_url)
    migrated = await _ask(empty_url, found)
    await revert(empty_url)
    database = Database(parse_url(empty_url))
    await database.write(Base.metadata.create_all)
    await database.close()
    assert await _ask(empty_url, found) == migrated


async def test_revert_takes_everything_away(empty_url: str) -> None:
    """Up and down again leaves no table, and up once more works."""
    await migrate(empty_url)
    assert await _ask(empty_url, _tables) == set(Base.metadata.tables)
    await revert(empty_url)
    assert await _ask(empty_url, _tables) == set()
    await migrate(empty_url)
    assert await _ask(empty_url, _tables) == set(Base.metadata.tables)


async def test_migrating_again_keeps_the_data(database_url: str) -> None:
    """A database that is up to date is left alone."""
    async with open_store(database_url) as store:
        await store.channels.register(CHANNEL, [])
        await migrate(database_url)
        assert await store.channels.all() == [CHANNEL]


async def test_filled_tables_go_down_and_up_again(database_url: str) -> None:
    """Every revision can be reverted and applied again with rows in the tables."""
    async with open_store(database_url) as store:
        await store.readings.save([reading(items=4, days=3)])
        analysis_id = await store.analyses.save("UC0", "f", {"a": 1})
        await store.renderings.save(analysis_id, None, "html", "report.html")

    def down_and_up(connection: Connection) -> None:
        revisions = [int(one.revision) for one in ScriptDirectory(_MIGRATIONS).walk_revisions()]
        for below in range(max(revisions) - 1, 0, -1):
            command.downgrade(schema._alembic(connection), f"{below:04}")
        command.upgrade(schema._alembic(connection), "head")

    database = Database(parse_url(database_url))
    await database.write(down_and_up)
    await database.close()

    assert await _ask(database_url, _differences) == []
    async with open_store(database_url) as store:
        counts = (await store.channels.counts(["UC0"]))["UC0"]
        assert (counts.items, counts.channel_snapshots, counts.item_snapshots) == (4, 3, 4)
        assert counts.analyses == 1


async def test_failed_migration_leaves_nothing(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails halfway is undone as a whole."""
    upgrade = schema._upgrade

    def fail_at_the_end(connection: Connection) -> None:
        upgrade(connection)
        assert _tables(connection)
        connection.execute(text("SELECT nonsense FROM nowhere"))

    monkeypatch.setattr(schema, "_upgrade", fail_at_the_end)
    with pytest.raises(StoreError):
        await migrate(empty_url)
    assert await _ask(empty_url, _tables) == set()


async def test_many_migrate_at_once(empty_url: str) -> None:
    """Of several concurrent migrations in one process, one does the work and none fails."""
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert await _ask(empty_url, _differences) == []


async def test_many_processes_migrate_at_once(empty_url: str) -> None:
    """Several processes started together on an empty database all succeed."""
    program = (
        "import asyncio, sys; from jobs.store import migrate; asyncio.run(migrate(sys.argv[1]))"
    )
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url, cwd=ROOT)
        for _ in range(3)
    ]
    assert [await process.wait() for process in started] == [0, 0, 0]
    assert await _ask(empty_url, _differences) == []


def test_revision_is_the_newest() -> None:
    """The revision that the store asks for is the last of the migrations."""
    assert ScriptDirectory(str(schema._MIGRATIONS)).get_current_head() == schema.REVISION
