"""An export holds no formula that a spreadsheet would run, and is read in again as it was."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.channel.records import Reject
from jobs.commands.export_tables import Table
from jobs.commands.run.reject_files import write_rejects
from jobs.sources.csv.table import read_rows
from jobs.sources.header import header_of
from jobs.spreadsheet import quoted
from jobs.store import migrate, open_store
from tests.unit.store.samples import CHANNEL, reading

if TYPE_CHECKING:
    from pathlib import Path

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
]
TEXTS = [*FORMULAS, "'=1", "''=1", "'plain'", "it's -1", "plain = x", "-", "'", "-dQw4w9WgXcQ"]
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def read_again(raw: bytes) -> pl.DataFrame:
    """Read a CSV as a source is read."""
    batches = list(read_rows(BytesIO(raw), header_of(raw)))
    assert not any(rows.damage for rows in batches)
    return pl.concat([rows.frame for rows in batches])


@pytest.mark.parametrize("raw", [False, True])
async def test_export_is_quoted_and_read_in_again_as_it_was(tmp_path: Path, *, raw: bool) -> None:
    """Titles and ids that begin like formulas, and those that begin with quotes."""
    url = f"sqlite:///{tmp_path}/a.db"
    await migrate(url)
    sample = reading(items=len(TEXTS))
    items = [replace(one, title=text) for one, text in zip(sample.items, TEXTS, strict=True)]
    async with open_store(url) as store:
        await store.readings.save([replace(sample, items=items)])
        table = Table(store, "items", [CHANNEL.id], asyncio.get_running_loop())
        path = tmp_path / "out.csv"
        await asyncio.to_thread(table.write, path, "csv", raw=raw)
    with path.open(newline="", encoding="utf-8") as file:
        written = [row["title"] for row in csv.DictReader(file)]
    assert any(text.startswith(DANGEROUS) for text in written) is raw
    if raw:
        assert sorted(written) == sorted(TEXTS)
    else:
        assert sorted(read_again(path.read_bytes())["title"]) == sorted(TEXTS)


@given(st.text("=+-@\uff1d'\"\t a1,\n", max_size=8))
def test_quoting_is_undone_by_reading(text: str) -> None:
    """Whatever a text begins with; outer white space is not kept."""
    text = text.strip()
    written = quoted(text)
    assert not written.startswith(DANGEROUS)
    cell = written.replace('"', '""')
    assert read_again(f'a,b\n"{cell}",x\n'.encode())["a"].to_list() == [text]


def test_rejected_rows_are_quoted(tmp_path: Path) -> None:
    """They quote what was wrong, which comes from outside."""

    class Source:
        """A source with one reject."""

        ref = type("Ref", (), {"location": "/=x.csv"})
        rejects = (Reject("=x.csv", 7, "=cmd|x", "-1"),)

    path = write_rejects(Source(), tmp_path)  # type: ignore[arg-type]  # all that is asked of it
    assert path is not None
    assert path.read_text("utf-8").splitlines()[1] == "'=x.csv,7,'=cmd|x,'-1"
