"""What commands show fits the terminal, or is whole; times are local, and say so once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner import wording
from runner.commands.tables import Column, Facts, Lines, Remark, Table
from runner.operations.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (
    Column("id", itemgetter(0), least=6),
    Column("title", itemgetter(1), least=5, color="cyan"),
    Column("jobs", itemgetter(2), right=True, color=lambda row: "red" if row[2] else ""),
    Column("note", itemgetter(0), spare=True),
    Column("error", itemgetter(1), least=5),
)
_TEXTS = st.text(max_size=40) | st.sampled_from(["日本語のチャンネル🎬" * 3, "e\u0301" * 20, ""])
_ROWS = st.lists(st.tuples(_TEXTS, _TEXTS, st.integers(0, 9_999)), min_size=1, max_size=6)


@pytest.fixture
def in_newfoundland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine stand where clocks are three and a half hours late."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _plain(table: Table | Facts | Lines | Remark, room: int | None) -> list[str]:
    return [click.unstyle(line) for line in table.lines(room)]


@given(rows=_ROWS, room=st.integers(31, 200))
def test_table_fits_the_room_there_is(rows: list[tuple[str, str, int]], room: int) -> None:
    """Whatever the texts: each row is one line, no wider than the terminal, its numbers whole."""
    head, *lines = _plain(Table(COLUMNS, rows), room)
    assert len(lines) == len(rows)
    assert max(map(cell_len, [head, *lines])) <= room
    for row, line in zip(rows, lines, strict=True):
        assert f"{row[2]:,}" in line


@given(rows=_ROWS)
def test_wide_table_cuts_and_leaves_out_nothing(rows: list[tuple[str, str, int]]) -> None:
    """Each text is there in full; a spare column without one is not."""
    head, *lines = _plain(Table(COLUMNS, rows), None)
    assert ("note" in head) == any(row[0] for row in rows)
    for row, line in zip(rows, lines, strict=True):
        for value in row:
            assert shown(value).rstrip() in line


def test_narrow_table_gives_up_what_matters_least_first() -> None:
    """Spare columns go, then the last texts are cut, then those before them; headings stay."""
    rows = [("identifier", "a title", 12)]
    found = {room: _plain(Table(COLUMNS, rows), room)[1] for room in (80, 45, 32, 30, 27)}
    assert found == {
        80: "identifier  a title    12  identifier  a title",
        45: "identifier  a title    12  a title",
        32: "identifier  a title    12  a ti…",
        30: "identifier  a ti…    12  a ti…",
        27: "identi…  a ti…    12  a ti…",
    }


@given(
    label=_TEXTS,
    texts=st.lists(_TEXTS, min_size=1, max_size=4),
    room=st.integers(80, 120),
)
def test_long_values_go_on_below_themselves(label: str, texts: list[str], room: int) -> None:
    """Facts, remarks and lines lose nothing, and fit."""
    value = " ".join(texts)
    for part in (
        Facts({"label": value}),
        Lines([value], indent=2),
        Remark("ok", "green", "redis", [value]),
    ):
        lines = _plain(part, room)
        assert max(map(cell_len, lines)) <= room
        assert "".join(shown(value).split()) in "".join("".join(lines).split())
    del label


@pytest.mark.usefixtures("in_newfoundland")
def test_times_are_local_and_their_offset_stands_once() -> None:
    """With their date; another year says so, and an offset that is not today's, as in summer."""
    now = datetime.now(UTC).replace(month=1, day=20, hour=2, minute=0, second=5, microsecond=0)
    rows = [("a", now), ("b", None)]
    columns = (Column("id", itemgetter(0)), Column("due", itemgetter(1)))
    offset = wording.zone()
    assert offset in {"UTC-3:30", "UTC-2:30"}
    head, first, second = _plain(Table(columns, rows), None)
    assert head == f"id  due ({offset})"
    assert first.startswith("a   19 Jan 22:30:05")
    assert second == "b   –"
    assert wording.local_time(datetime(2020, 7, 1, 12, tzinfo=UTC)).startswith("1 Jul 2020 09:30")
    winter, summer = (datetime(2020, month, 1, 12, tzinfo=UTC) for month in (1, 7))
    said = [wording.local_time(when).endswith(" UTC-3:30") for when in (winter,)]
    said += [wording.local_time(when).endswith(" UTC-2:30") for when in (summer,)]
    assert sorted(said) == [False, True]
