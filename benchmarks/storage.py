"""
`make bench-storage`: write, read and remove a year of daily counters, on SQLite or PostgreSQL.

    make bench-storage ARGS="--channels 100000 --days 365"
    make bench-storage ARGS="--url postgresql://postgres@127.0.0.1:5432"

Without --url a SQLite file is made in a temporary folder (or below --folder); with --url, a new
database is made on that server. Either is deleted afterwards. The database generates the rows
itself; then the store's own methods work on them, as jobs do. The query plans show what each query
costs.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sqlite3
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.channel.records import ChannelReading, ChannelRecord, ChannelSnapshot, Platform
from jobs.store import ChannelStore, migrate, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

START = datetime(2025, 1, 1, tzinfo=UTC)
_CHANNELS_AT_A_TIME = 5_000
_ASKED = 200
_READ_WHOLE = 1_000_000


@dataclass
class Bench:
    """One run: its size, and the lines printed."""

    channels: int
    days: int
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print *line* now, and keep it."""
        self.lines.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def channel_id(self, number: int) -> str:
        """Return an id; neighbouring numbers are far apart in the index."""
        return f"UC{number * 7919 % self.channels:07d}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench-storage", description=__doc__)
    parser.add_argument("--channels", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--url", help="of a PostgreSQL server, without a database")
    parser.add_argument("--folder", type=Path, help="for the SQLite file")
    options = parser.parse_args()
    asyncio.run(_run(Bench(options.channels, options.days), options))


async def _run(bench: Bench, options: argparse.Namespace) -> None:
    rows = bench.channels * bench.days
    bench.say(f"{bench.channels:,} channels, {bench.days} days: {rows:,} rows")
    async with _database(options) as place:
        await migrate(place.url)
        started = time.perf_counter()
        await place.fill(bench)
        seconds = time.perf_counter() - started
        bench.say(f"filled by the database in {seconds:.0f} s, {rows / seconds:,.0f} rows/s")
        bench.say(f"size {await place.size_mib():,.0f} MiB")
        async with open_store(place.url) as store:
            await _ask(bench, store)
        await place.explain(bench)


async def _ask(bench: Bench, store: ChannelStore) -> None:
    """Time the store's own methods on channels spread over the table."""
    numbers = range(0, bench.channels, max(1, bench.channels // _ASKED))
    ids = [bench.channel_id(number) for number in numbers]

    async def sync(channel_id: str) -> None:
        day = START + timedelta(days=bench.days)
        record = ChannelRecord(channel_id, f"Channel {channel_id}", Platform.YOUTUBE)
        await store.readings.save([ChannelReading(record, (), [ChannelSnapshot(day, 1, 2, 3)])])

    async def look(channel_id: str) -> None:
        await store.channels.overviews(channel_id, 1)

    await _timed(bench, "add one day of a channel", ids, sync)
    await _timed(bench, "load a channel for its analysis", ids, store.readings.load)
    await _timed(bench, "find a channel by a part of its id", ids[:20], look)
    await _timed(
        bench,
        "list 50 channels by title",
        [""] * 10,
        lambda text: store.channels.overviews(text, 50),
    )
    await _timed(bench, "remove a channel", ids[:50], store.channels.remove)
    started, rows, after = time.perf_counter(), 0, None
    while rows < _READ_WHOLE:
        page = await store.tables.page(
            "channel-snapshots", ["channel_id", "observed_at", "views"], after=after
        )
        if not page:
            break
        rows, after = rows + len(page), page[-1][:2]
    seconds = time.perf_counter() - started
    bench.say(f"{'read whole, page by page':36}{rows / seconds:>12,.0f} rows/s")


async def _timed(
    bench: Bench, title: str, keys: list[str], ask: Callable[[str], Awaitable[Any]]
) -> None:
    took = []
    for key in keys:
        started = time.perf_counter()
        await ask(key)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    middle, slow = took[len(took) // 2], took[int(len(took) * 0.95)]
    bench.say(f"{title:36}{middle:>9.2f} ms median{slow:>9.2f} ms at 95 %")


@asynccontextmanager
async def _database(options: argparse.Namespace) -> AsyncIterator[Sqlite | Postgres]:
    if options.url is None:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="bench-storage-") as folder:
            yield Sqlite(Path(folder) / "store.db")
        return
    server = options.url.rstrip("/")
    name = f"pipeline_bench_{secrets.token_hex(4)}"
    place = Postgres(f"{server}/{name}")
    await Postgres(server).ask(f"CREATE DATABASE {name}")
    try:
        yield place
    finally:
        await Postgres(server).ask(f"DROP DATABASE {name} WITH (FORCE)")


class Sqlite:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    async def fill(self, bench: Bench) -> None:
        """Insert the rows, some channels at a time, in key order."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            for first in range(0, bench.channels, _CHANNELS_AT_A_TIME):
                last = min(bench.channels, first + _CHANNELS_AT_A_TIME)
                connection.execute(
                    f"WITH RECURSIVE {_COUNT} INSERT INTO channels (id, title, platform, generated)"  # noqa: S608 -- of ours
                    " SELECT printf('UC%07d', n), printf('Channel UC%07d', n), 'youtube', 0 FROM c",
                    (first, last),
                )
                connection.execute(
                    f"WITH RECURSIVE {_COUNT}, d(day) AS (SELECT 0 UNION ALL SELECT day + 1 FROM d"  # noqa: S608
                    " WHERE day + 1 < ?)"
                    " INSERT INTO channel_snapshots SELECT printf('UC%07d', n),"
                    " (? + day * 86400) * 1000000, 1000 + day, 100000 + day * n, 100 + day / 3"
                    " FROM c CROSS JOIN d",
                    (first, last, bench.days, int(START.timestamp())),
                )
                connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def size_mib(self) -> float:
        """Return the size of the file."""
        return self.path.stat().st_size / 2**20

    async def explain(self, bench: Bench) -> None:
        """Print SQLite's query plans."""
        with sqlite3.connect(self.path) as connection:
            for title, query in QUERIES.items():
                bench.say(f"\n-- {title}\n{query}")
                for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"):
                    bench.say(f"   {row[3]}")


class Postgres:
    """A PostgreSQL database, or the server if *url* names no database."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def ask(self, statement: str, *values: object, first: str = "") -> list[Any]:
        """Run *first* and then *statement*, and return its rows."""
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            if first:
                await connection.execute(first)
            found: list[Any] = await connection.fetch(statement, *values)
        finally:
            await connection.close()
        return found

    async def fill(self, bench: Bench) -> None:
        """Insert the rows, some channels at a time, in key order."""
        for low in range(0, bench.channels, _CHANNELS_AT_A_TIME):
            high = min(bench.channels, low + _CHANNELS_AT_A_TIME) - 1
            await self.ask(
                "INSERT INTO channels (id, title, platform, generated)"
                " SELECT 'UC' || lpad(n::text, 7, '0'), 'Channel UC' || lpad(n::text, 7, '0'),"
                " 'youtube', false FROM generate_series($1::int, $2::int) n",
                low,
                high,
            )
            await self.ask(
                "INSERT INTO channel_snapshots SELECT 'UC' || lpad(n::text, 7, '0'),"
                " $3::timestamptz + day * interval '1 day', 1000 + day, 100000 + day * n,"
                " 100 + day / 3 FROM generate_series($1::int, $2::int) n,"
                " generate_series(0, $4::int) day",
                low,
                high,
                START,
                bench.days - 1,
                # Skip the foreign-key check of each row.
                first="SET session_replication_role = replica",
            )
        await self.ask("VACUUM (ANALYZE) channel_snapshots")
        await self.ask("VACUUM (ANALYZE) channels")

    async def size_mib(self) -> float:
        """Return the size of the database."""
        found = await self.ask("SELECT pg_database_size(current_database())")
        return float(found[0][0]) / 2**20

    async def explain(self, bench: Bench) -> None:
        """Print PostgreSQL's query plans with their real costs."""
        for title, query in QUERIES.items():
            bench.say(f"\n-- {title}\n{query}")
            for row in await self.ask(f"EXPLAIN (ANALYZE, BUFFERS) {query}"):
                bench.say(f"   {row[0]}")


_COUNT = "c(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM c WHERE n + 1 < ?)"

QUERIES = {
    "load a channel for its analysis": (
        "SELECT observed_at, subscribers, views, items FROM channel_snapshots"
        " WHERE channel_id = 'UC0000042' ORDER BY channel_id, observed_at"
    ),
    "count what a sync adds to": (
        "SELECT count(*) FROM channel_snapshots WHERE channel_id = 'UC0000042'"
    ),
    "the newest counter of a channel": (
        "SELECT observed_at, views FROM channel_snapshots WHERE channel_id = 'UC0000042'"
        " AND views IS NOT NULL ORDER BY observed_at DESC LIMIT 1"
    ),
    "a page of an export": (
        "SELECT channel_id, observed_at, views FROM channel_snapshots"
        " WHERE (channel_id, observed_at) > ('UC0000042', '2025-06-01')"
        " ORDER BY channel_id, observed_at LIMIT 20000"
    ),
    "remove a channel": "DELETE FROM channel_snapshots WHERE channel_id = 'UC0000043'",
}
"""The store's queries on the table of counters."""


if __name__ == "__main__":
    main()
