"""Secrets of sources' addresses lie apart from the addresses, and open the source all the same."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command

from jobs.channel.addresses import without_secrets
from jobs.channel.records import SourceRef, SourceResult, SyncOutcome
from jobs.notifications.event import source_failing
from jobs.store import channels, migrate, open_store, schema, syncs
from jobs.store.url import parse_url
from tests.unit.store.samples import CHANNEL

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.store import ChannelStore

PW = "hunter2-canary"
ADDRESS = f"https://me:{PW}@feeds.example/x?a=1&token={PW}"
BARE = "https://me:…@feeds.example/x?a=1&token=…"


PARTED = {
    f"https://h/x?key={PW}": "https://h/x?key=…",
    f"https://h/x?a=1&feed_key={PW}&b=2": "https://h/x?a=1&feed_key=…&b=2",
    f"https://h/x?to%6ben={PW}": "https://h/x?to%6ben=…",
    f"https://h/x?access+token={PW}": "https://h/x?access+token=…",
    f"https://h/x?a=1;token={PW};b=2": "https://h/x?a=1;token=…",
    f"https://h/x#access_token={PW}": "https://h/x#access_token=…",
    f"https://h/x?token={PW} {PW}": "https://h/x?token=…",
    f"https://me:{PW} {PW}@h/x": "https://me:…@h/x",
    f"HTTPS://{PW}@h/x": "HTTPS://…@h/x",
}


async def test_sync_gets_the_whole_address_and_all_others_the_bare_one(store: ChannelStore) -> None:
    """Its last sync is found by it, and notifications name it."""
    source = SourceRef("feed", ADDRESS)
    await store.channels.register(CHANNEL, [source, SourceRef("csv", "/data/a@b.csv")])
    result = SourceResult(source, datetime.now(UTC), SyncOutcome.FAILED, "is gone")
    await store.syncs.save(CHANNEL.id, [result])
    [first, second] = await store.syncs.sources(CHANNEL.id)
    assert (first.whole, first.ref) == (source, SourceRef("feed", BARE))
    assert (first.reason, first.consecutive_failures) == ("is gone", 1)
    assert second.whole == second.ref == SourceRef("csv", "/data/a@b.csv")
    assert PW not in repr(first)
    assert PW not in repr(source_failing(CHANNEL, first))
    assert PW not in repr(await store.channels.sources_of(CHANNEL.id))


async def test_new_password_replaces_the_old_one(store: ChannelStore) -> None:
    """It is the same source; registered twice, it is one."""
    for password in ("old", "new"):
        address = f"https://me:{password}@feeds.example/x"
        await store.channels.register(CHANNEL, [SourceRef("feed", address)])
    [found] = await store.syncs.sources(CHANNEL.id)
    assert found.whole.location == "https://me:new@feeds.example/x"


@pytest.mark.parametrize("location", PARTED)
def test_secret_is_found_however_it_is_written(location: str) -> None:
    """Names may be encoded, separated by semicolons, or follow the path."""
    assert without_secrets(location) == PARTED[location]


@pytest.mark.parametrize(
    "location",
    [
        ADDRESS,
        *PARTED,
        "https://TOKEN@h/x",
        "/a@b",
        "samples:x",
        "youtube:@handle",
        "https://h:80/@x?v=1",
    ],
)
def test_bare_address_stays_as_it_is(location: str) -> None:
    """Else a source would change its name each time."""
    bare = without_secrets(location)
    assert without_secrets(bare) == bare


async def test_passwords_of_an_older_store_are_moved_and_moved_back(tmp_path: Path) -> None:
    """With the last sync of their source; nothing of them is left in the file's tables."""
    url = f"sqlite:///{tmp_path}/a.db"
    old = "https://me:hunter2-canary@feeds.example/x"
    await migrate(url)
    async with open_store(url) as store:
        await store.channels.register(CHANNEL, [SourceRef("feed", old)])
        result = SourceResult(
            SourceRef("feed", old), datetime.now(UTC), SyncOutcome.FAILED, "is gone"
        )
        await store.syncs.save(CHANNEL.id, [result])
    engine = sa.create_engine(url)

    def rows(table: str) -> list[str]:
        with engine.connect() as connection:
            found = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))
            return [repr(row) for row in found]

    def back(connection: sa.Connection) -> None:
        command.downgrade(schema._alembic(connection), "0007")

    await asyncio.to_thread(schema._run, parse_url(url), back)
    assert old in rows("channel_sources")[0]
    assert old in rows("source_syncs")[0]
    await migrate(url)
    engine.dispose()
    for table in ("channel_sources", "source_syncs"):
        [row] = rows(table)
        assert "hunter2-canary" not in row
        assert "https://me:…@feeds.example/x" in row
    async with open_store(url) as store:
        [found] = await store.syncs.sources(CHANNEL.id)
    assert (found.whole.location, found.reason) == (old, "is gone")
    engine.dispose()


async def test_secrets_that_were_not_known_as_such_are_moved_at_the_next_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With place, last sync and password of their source; nothing of them is left in the file."""
    url = f"sqlite:///{tmp_path}/a.db"
    whole = [f"https://h/{at}?token={PW}-{at}" for at in range(3)]
    whole[1] = f"https://me:{PW}-pw@h/1?token={PW}-1"
    newer = f"https://h/2?token={PW}-newer"
    await migrate(url)
    with monkeypatch.context() as past:
        past.setattr(channels, "without_secrets", lambda one: one.replace(f"{PW}-pw", "…"))
        past.setattr(syncs, "without_secrets", lambda one: one.replace(f"{PW}-pw", "…"))
        async with open_store(url) as store:
            sources = [SourceRef("feed", one) for one in whole]
            await store.channels.register(CHANNEL, [*sources, SourceRef("feed", "https://h/3")])
            reason = f"{whole[0]}: is gone"
            failed = [
                SourceResult(one, datetime.now(UTC), SyncOutcome.FAILED, reason) for one in sources
            ]
            await store.syncs.save(CHANNEL.id, failed)
    async with open_store(url) as store:
        await store.channels.register(CHANNEL, [SourceRef("feed", newer)])

    for _ in range(2):
        await migrate(url)
    async with open_store(url) as store:
        found = await store.syncs.sources(CHANNEL.id)
    assert PW not in repr(found)
    assert [(one.ref.location, one.whole.location) for one in found] == [
        ("https://h/0?token=…", whole[0]),
        ("https://me:…@h/1?token=…", whole[1]),
        ("https://h/2?token=…", newer),
        ("https://h/3", "https://h/3"),
    ]
    assert [one.consecutive_failures for one in found] == [1, 1, 1, 0]
    assert found[0].reason == "https://h/0?token=…: is gone"
    assert f"{PW}-2".encode() not in (tmp_path / "a.db").read_bytes()
