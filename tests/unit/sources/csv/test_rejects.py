"""Rejected rows: each with line and reason in a file, or refused by `--strict`."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from jobs.commands.run.source_list import Reading, SourceList, find_sources
from jobs.sources import FactCache
from jobs.sources.reader import SourceReader

if TYPE_CHECKING:
    from tests.unit.sources.conftest import Write

GOOD = "date_utc,channel_id,views\n2026-01-17,c,5\n"
BAD = GOOD + "2026-01-18,c,many\n2026-01-19,c\n"


async def found(tmp_path: Path, path: str, *, strict: bool = False) -> tuple[SourceList, str]:
    """Find the source at *path*; return it and what was printed."""
    printed = StringIO()
    reading = Reading(tmp_path / "rejects", strict=strict)
    access = SourceReader(fact_cache=FactCache(tmp_path / "sources"))
    console = Console(file=printed, width=400)
    return await find_sources(access, [path], console, reading), printed.getvalue()


def rows_of(path: str) -> list[list[str]]:
    """Read a CSV."""
    return list(csv.reader(StringIO(Path(path).read_text(encoding="utf-8"), newline="")))


async def test_rejects_are_written_and_printed(write: Write, tmp_path: Path) -> None:
    """The file has every row, the terminal its path, and the summary both."""
    path = write("daily.csv", BAD)
    sources, printed = await found(tmp_path, path)
    (rejected,) = sources.rejects
    assert (rejected.source, rejected.rows) == (path, 2)
    assert rows_of(rejected.file) == [
        ["file", "line", "reason", "channel_id"],
        [path, "3", "views is not a whole number: 'many'", "c"],
        [path, "4", "has 2 cells instead of 3", ""],
    ]
    assert rejected.file in printed
    assert sources.channels()["c"].rejected == 1
    assert sources.rejected_rows == 2


async def test_strict_refuses_the_whole_source(write: Write, tmp_path: Path) -> None:
    """One rejected row is enough: nothing is left to store, and a line says why."""
    sources, printed = await found(tmp_path, write("daily.csv", BAD), strict=True)
    assert sources.channels() == {}
    assert "has 2 rows that --strict refuses" in str(sources.refused[0])
    assert printed.count("\n") == 1
    sources, _ = await found(tmp_path, write("daily.csv", GOOD), strict=True)
    assert list(sources.channels()) == ["c"]


async def test_a_corrected_source_has_no_file_of_rejects(write: Write, tmp_path: Path) -> None:
    """The file of an earlier run is removed."""
    await found(tmp_path, write("daily.csv", BAD))
    await found(tmp_path, write("daily.csv", GOOD))
    assert not list((tmp_path / "rejects").iterdir())
