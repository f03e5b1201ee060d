"""Facts of a file, stored by channel, whether they fit into memory or not."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from jobs.sources import FactCache, SourceError, open_source
from jobs.sources.csv import fact_files, table

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.channel.records import ChannelReading
    from jobs.sources import Source
    from tests.unit.sources.conftest import Write

HEADER = "date_utc,channel_id,channel_title,subscribers,views,videos\n"
ROWS = [
    f"2026-{month:02}-{day:02},c{channel},Title {channel}/{month},{channel},{100 * month + day},\n"
    for month in range(1, 13)
    for day in range(1, 29)
    for channel in range(40)
]
DAMAGE = ["2026-01-01,c7,T,-1,1,1\n", "broken\n", '2026-01-02,c8,"T,1,1,1\n']


def readings(source: Source) -> dict[str, ChannelReading]:
    """Read every channel."""
    return {channel.id: source.read(channel.id) for channel in source.channels()}


async def test_a_file_larger_than_memory_is_read_like_any_other(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distributed and sorted part by part, it gives the same channels, rows and rejects."""
    path = write("daily.csv.gz", gzip.compress("".join([HEADER, *ROWS, *DAMAGE]).encode()))
    whole = await open_source(path, fact_cache=FactCache(tmp_path / "whole"))
    expected = readings(whole)
    monkeypatch.setattr(fact_files, "MEMORY_BYTES", 100_000)
    monkeypatch.setattr(table.read_rows, "__defaults__", (None, 20_000))
    path = write("again/daily.csv.gz", gzip.compress("".join([HEADER, *ROWS, *DAMAGE]).encode()))

    parts = await open_source(path, fact_cache=FactCache(tmp_path / "parts"))

    assert readings(parts).keys() == expected.keys()
    for channel_id, reading in readings(parts).items():
        assert reading.channel == expected[channel_id].channel
        assert reading.channel_snapshots == expected[channel_id].channel_snapshots
    assert [each.line for each in parts.rejects] == [each.line for each in whole.rejects]
    assert parts.describe() == whole.describe()
    assert len(list((tmp_path / "parts").rglob("facts-*.arrow"))) > 1


async def test_another_process_finds_the_facts(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same content under another name is not read again; other content is."""
    fact_cache = FactCache(tmp_path / "fact_cache")
    first = await open_source(write("a.csv", HEADER + ROWS[0]), fact_cache=fact_cache)
    monkeypatch.setattr(fact_files, "build", None)
    second = await open_source(write("b.csv", HEADER + ROWS[0]), fact_cache=fact_cache)
    assert readings(second).keys() == readings(first).keys()
    with pytest.raises(SourceError, match="NoneType"):
        await open_source(write("c.csv", HEADER + ROWS[1]), fact_cache=fact_cache)


async def test_a_file_that_breaks_off_leaves_nothing_behind(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts of a damaged file are removed, so that they are never taken for all."""
    monkeypatch.setattr(table.read_rows, "__defaults__", (None, 20_000))
    packed = gzip.compress("".join([HEADER, *ROWS]).encode())[:-2000]
    with pytest.raises(SourceError, match="gzip data ends early"):
        await open_source(
            write("daily.csv.gz", packed), fact_cache=FactCache(tmp_path / "fact_cache")
        )
    assert list((tmp_path / "fact_cache").iterdir()) == []


async def test_rejects_are_a_sequence(write: Write, tmp_path: Path) -> None:
    """They can be counted, sliced and asked for one by one, without all being made."""
    source = await open_source(
        write("daily.csv", "".join([HEADER, ROWS[0], *DAMAGE])),
        fact_cache=FactCache(tmp_path / "fact_cache"),
    )
    assert len(source.rejects) == 3
    assert [each.line for each in source.rejects[1:]] == [4, 5]
    assert source.rejects[-1] == list(source.rejects)[-1]
    with pytest.raises(IndexError):
        source.rejects[3]
