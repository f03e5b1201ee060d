"""`pipeline channels` and `pipeline export`: real processes on a state directory of their own."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobs.store import migrate, open_store
from tests.unit.store.samples import reading

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(420)

_DAYS = 40


@pytest.fixture
def counters(commands: Commands) -> Path:
    """Write the daily counters of two channels; commands may take their time."""
    commands.limit_s = 280
    path = commands.folder / "counters.csv"
    lines = ["date_utc,channel_id,channel_title,subscribers,views,videos"]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for name, pace in (("Alpha", 100), ("Beta", 1000)):
        lines += [
            f"{start + timedelta(days=day):%Y-%m-%d},UC{name},{name},{50 + day},{pace * day},{day}"
            for day in range(_DAYS)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_channel_is_added_synced_and_shown(commands: Commands, counters: Path) -> None:
    """Add, sync, list, show: each says what it did, as JSON for programs."""
    added = commands.run("pipeline", "channels", "add", str(counters), "--every", "2h", "--json")
    assert added.status == 0, added.err
    assert {one["id"] for one in added.document["channels"]} == {"UCAlpha", "UCBeta"}

    synced = commands.run(
        "pipeline", "channels", "sync", "alpha", "--wait", "--no-reports", "--json"
    )
    assert synced.status == 0, synced.err
    assert synced.document == {"channels": ["UCAlpha"], "channels_done": 1, "dead_jobs": []}

    [alpha] = json.loads(commands.run("pipeline", "channels", "ls", "alpha", "-o", "json").out)
    assert (alpha["subscribers"], alpha["views_7d"]) == (50 + _DAYS - 1, 700)
    assert alpha["synced_at"]
    assert alpha["next_sync_at"]

    shown = commands.run("pipeline", "channels", "show", "UCAlpha", "--json").document
    assert shown["counts"]["channel_snapshots"] == _DAYS
    assert shown["every_s"] == 7200
    assert shown["analysis"]["channel_id"] == "UCAlpha"


def test_channel_is_scheduled_unless_off(commands: Commands, counters: Path) -> None:
    """Added, its interval adapts; added again, it stays; with --off, it is synced on request."""
    add = ("pipeline", "channels", "add", str(counters), "--json")
    commands.run(*add, "--off")
    assert not any(_next_syncs(commands).values())
    commands.run("pipeline", "channels", "schedule", "UCAlpha", "--every", "2h")
    commands.run("pipeline", "channels", "remove", "UCBeta", "--yes")
    again = commands.run(*add).document
    assert {one["id"]: one["new"] for one in again["channels"]} == {
        "UCAlpha": False,
        "UCBeta": True,
    }
    assert again["every_s"] is None
    assert all(_next_syncs(commands).values())
    shown = commands.run("pipeline", "channels", "show", "UCAlpha", "--json").document
    assert shown["every_s"] == 7200
    both = commands.run(*add, "--off", "--every", "1h")
    assert (both.status, len(both.messages)) == (2, 1)


def _next_syncs(commands: Commands) -> dict[str, str | None]:
    listed = json.loads(commands.run("pipeline", "channels", "list", "--json").out)
    return {one["id"]: one["next_sync_at"] for one in listed}


async def test_stored_channel_is_exported_and_removed(commands: Commands) -> None:
    """Both formats have the same rows; a removed channel is gone, the other one stays."""
    home = commands.folder / ".pipeline"
    home.mkdir()
    url = f"sqlite:///{home}/pipeline.db"
    await migrate(url)
    async with open_store(url) as store:
        for channel_id in ("UC1", "UC2"):
            await store.readings.save([reading(channel_id, days=_DAYS)])

    for name in ("out.csv", "out.parquet"):
        printed = commands.run("pipeline", "export", "UC1", "-o", name, "--json").document
        assert printed["rows"] == _DAYS
    with (commands.folder / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pl.read_parquet(commands.folder / "out.parquet")
    assert [int(row["views"]) for row in rows] == parquet["views"].to_list()
    assert rows[0]["observed_at"] == "2026-01-17T04:30:00.123456Z"
    assert list(commands.folder.glob(".*.part")) == []

    scheduled = commands.run("pipeline", "channels", "schedule", "UC1", "--every", "auto", "--json")
    assert (scheduled.document["every_s"], scheduled.document["scheduled"]) == (None, True)
    hourly = commands.run("pipeline", "channels", "schedule", "UC1", "--every", "36h").out
    assert hourly.startswith("Channel UC1: synced automatically every 36 hours; next at ")
    ended = commands.run("pipeline", "channels", "schedule", "UC1", "--off")
    assert ended.out == "Channel UC1: synced only on request\n"
    both = commands.run("pipeline", "channels", "schedule", "UC1", "--off", "--every", "1h")
    assert (both.status, len(both.messages)) == (2, 1)

    zoned = commands.run("pipeline", "channels", "set", "UC1", "--timezone", "Asia/Tokyo")
    assert zoned.out.startswith("Channel UC1: publications are told by the clock of Asia/Tokyo")
    wrong = commands.run("pipeline", "channels", "set", "UC1", "--timezone", "Tokyo")
    assert (wrong.status, len(wrong.messages)) == (2, 1)

    asked = commands.run("pipeline", "channels", "remove", "UC1")
    assert asked.status == 2
    assert f"{_DAYS + 3} snapshots" in asked.messages[0]
    removed = commands.run("pipeline", "channels", "remove", "UC1", "--yes")
    assert (removed.status, removed.out) == (0, "Removed Channel UC1 (UC1).\n")
    async with open_store(url) as store:
        assert [channel.id for channel in await store.channels.all()] == ["UC2"]


def test_what_cannot_be_done_is_one_line(commands: Commands) -> None:
    """An unknown channel, an invalid interval, a folder that does not exist."""
    unknown = commands.run("pipeline", "channels", "show", "nobody")
    assert (unknown.status, len(unknown.messages)) == (2, 1)
    assert "no channel is stored yet" in unknown.messages[0]
    odd = commands.run("pipeline", "channels", "add", "x.csv", "--every", "soon")
    assert (odd.status, len(odd.messages)) == (2, 1)
    assert "write 60m" in odd.messages[0]
    nowhere = commands.run("pipeline", "export", "-o", "absent/out.csv")
    assert (nowhere.status, len(nowhere.messages)) == (2, 1)
    neither = commands.run("pipeline", "channels", "sync")
    assert (neither.status, len(neither.messages)) == (2, 1)


def test_mathematics_stay_out_of_the_process_of_the_loop(commands: Commands) -> None:
    """CPU-bound work runs in other processes: the worker's own never loads the libraries."""
    program = commands.folder / "program.py"
    program.write_text(_PROGRAM)
    ended = commands.run("python", str(program))
    assert ended.status == 0, ended.err
    printed = json.loads(ended.out.splitlines()[-1])
    assert printed["analyses"] == 1
    assert printed["loaded"] == []


_PROGRAM = """
import asyncio, json, sys
from settings.application import Application

async def main():
    from jobs.commands.run.work import ChannelRun
    from jobs.commands.run.progress import display
    from jobs.services import Services
    from jobs.commands.run.source_list import FoundChannel
    from jobs.channel.records import ChannelRecord, Platform, SourceRef
    from rich.console import Console

    host = Application()
    channel = ChannelRecord("sample:stream", "Sample", Platform.STREAM, generated=True)
    found = {channel.id: FoundChannel(channel, [SourceRef("samples", "samples:")])}
    async with host.open() as place:
        console = Console(stderr=True)
        work = ChannelRun(place, host.queues, found, console.print, reports=False)
        with display(console, host.queues, live=False) as shown:
            await work.go(shown)
        counts = await place.get(Services).store.channels.counts([channel.id])
    heavy = ("jobs.analysis.forecast", "jobs.recommendations.permutation", "scipy")
    loaded = [name for name in heavy if name in sys.modules]
    print(json.dumps({"analyses": counts[channel.id].analyses, "loaded": loaded}))

asyncio.run(main())
"""
