"""Many write at once, in one process and in several, and each transaction counts."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import jobs.store
from jobs.store import SyncCounts, open_store
from jobs.store.database import Database
from jobs.store.url import parse_url
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from jobs.store import ChannelStore

ROOT = Path(jobs.store.__file__).parents[2]

PROGRAM = """
import asyncio, sys
from jobs.store import open_store
from tests.unit.store.samples import reading

async def main(url, who):
    async with open_store(url) as store:
        await asyncio.gather(
            *(store.readings.save([reading(f"{who}-{n}", items=20, days=20)]) for n in range(10))
        )

asyncio.run(main(*sys.argv[1:]))
"""


async def test_coroutines_save_different_channels_at_once(store: ChannelStore) -> None:
    """Twenty syncs started together all succeed, none with a locked database."""
    saved = await asyncio.gather(
        *(store.readings.save([reading(f"UC{n}", items=50, days=30)]) for n in range(20))
    )
    assert saved == [SyncCounts(50, 0, 80, 0)] * 20


async def test_coroutines_save_one_channel_at_once(store: ChannelStore) -> None:
    """Of ten that sync the same channel, one finds everything new, the others nothing."""
    saved = await asyncio.gather(*(store.readings.save([reading()]) for _ in range(10)))
    assert saved.count(SyncCounts(3, 0, 8, 0)) == 1
    assert saved.count(SyncCounts(0, 3, 0, 8)) == 9


async def test_stores_in_one_process_share_a_database(database_url: str) -> None:
    """Several workers of one process, each with its own store, do not lock each other out."""

    async def work(who: int) -> None:
        async with open_store(database_url) as store:
            for n in range(5):
                await store.readings.save([reading(f"UC{who}-{n}")])
                await store.readings.load(f"UC{who}-{n}")

    await asyncio.gather(*(work(who) for who in range(4)))


async def test_processes_share_a_database(database_url: str) -> None:
    """Three processes that write at once all succeed, and nothing is lost."""
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, database_url, who, cwd=ROOT
        )
        for who in "abc"
    ]
    assert [await process.wait() for process in started] == [0, 0, 0]
    async with open_store(database_url) as store:
        counts = await store.channels.counts([channel.id for channel in await store.channels.all()])
    assert len(counts) == 30
    assert {(one.items, one.channel_snapshots) for one in counts.values()} == {(20, 20)}


async def test_readers_do_not_wait_for_a_writer(database_url: str) -> None:
    """While a transaction is open others read, and see nothing of it before it ends."""
    writing, seen = threading.Event(), threading.Event()

    def write(connection: Connection) -> None:
        connection.exec_driver_sql(
            "INSERT INTO channels (id, title, platform, generated) VALUES ('x', 't', 'other', '0')"
        )
        writing.set()
        assert seen.wait(10)

    async def write_elsewhere() -> None:
        database = Database(parse_url(database_url))
        await database.write(write)
        await database.close()

    async with open_store(database_url) as store, asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(asyncio.run, write_elsewhere()))
        assert await asyncio.to_thread(writing.wait, 10)
        async with asyncio.timeout(5):
            assert await store.channels.all() == []
        seen.set()
    async with open_store(database_url) as store:
        assert [channel.id for channel in await store.channels.all()] == ["x"]


async def test_program_that_ends_during_a_save_ends(database_url: str) -> None:
    """A loop closes during a sync, and the sync is saved whole or not at all."""

    async def leave_at_once(turns: int) -> None:
        async with open_store(database_url) as store:
            saving = asyncio.create_task(store.readings.save([reading(items=200)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            # Later, a fast machine may have finished it.
            assert turns > 1 or not saving.done()

    async with asyncio.timeout(20), open_store(database_url) as store:
        for turns in (1, 5, 20):
            await asyncio.to_thread(asyncio.run, leave_at_once(turns))
            assert (await store.channels.counts(["UC0"]))["UC0"].items in {0, 200}
        await store.readings.save([reading("UC1")])


async def test_cancelled_save_leaves_nothing_and_blocks_nobody(store: ChannelStore) -> None:
    """A sync that is cancelled at any moment is undone, and the next one goes through."""
    for turns in range(40):
        saving = asyncio.create_task(store.readings.save([reading("UC0", items=200)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        found = (await store.channels.counts(["UC0"]))["UC0"]
        assert found.items in {0, 200}
    assert (await store.readings.save([reading("UC1")])).items_new == 3
