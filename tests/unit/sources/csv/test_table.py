"""Tables: rows with the line of the file on which they begin, and damaged rows."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.sources.csv.table import PIECE_BYTES, Rows, read_rows
from jobs.sources.header import LINE, Header, header_of


def table_of(content: str | bytes, piece_bytes: int = PIECE_BYTES) -> Rows:
    """Read *content* as one batch, whatever the pieces in which it is read."""
    raw = content.encode() if isinstance(content, str) else content
    batches = list(read_rows(BytesIO(raw), header_of(raw), piece_bytes=piece_bytes))
    if not batches:
        return Rows(pl.DataFrame(schema={LINE: pl.UInt32}))
    return Rows(
        pl.concat([batch.frame for batch in batches]),
        [damage for batch in batches for damage in batch.damage],
        sum(batch.guessed_lines for batch in batches),
    )


def lines_of(table: Rows) -> list[int]:
    """Return the lines of the sound rows."""
    return table.frame[LINE].to_list()


def test_lines_are_those_of_the_file() -> None:
    """Quoted line breaks and blank lines count as lines, as in an editor."""
    table = table_of('a,b\n1,"x\ny\n"\n\n2,z\n,\n3,w\n')
    assert lines_of(table) == [2, 6, 8]
    assert table.frame["b"].to_list() == ["x\ny", "z", "w"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    """Unix, Windows and old Macintosh line ends give the same lines."""
    table = table_of(end.join(["a,b", "1,2", '3,"4"', "5"]))
    assert lines_of(table) == [2, 3]
    assert [(each.line, each.problem) for each in table.damage] == [(4, "has 1 cells instead of 2")]


def test_an_open_quote_costs_one_row() -> None:
    """A quote that is never closed takes its own row with it, and none of those after it."""
    table = table_of('a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert lines_of(table) == [2, 4, 5]
    assert [each.line for each in table.damage] == [3]


def test_an_open_quote_that_a_later_one_closes_costs_no_sound_row() -> None:
    """Two stray quotes take their own rows with them; the rows between them stay."""
    table = table_of('a,b,c\n1,2,3\n4,"5,6\n7,8,9\n10,11",12,13\n14,15,16\n')
    assert lines_of(table) == [2, 4, 6]
    assert [each.line for each in table.damage] == [3, 5]


def test_miscounted_rows_are_rejected() -> None:
    """A row with a cell too few or too many is damage; the others are read."""
    table = table_of("a,b,c\n1,2\n3,4,5\n6,7,8,9\n")
    assert lines_of(table) == [3]
    assert [(each.line, each.problem) for each in table.damage] == [
        (2, "has 2 cells instead of 3"),
        (4, "has 4 cells instead of 3"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_found_in_the_header(delimiter: str) -> None:
    """Comma, semicolon and tab each separate cells."""
    table = table_of(delimiter.join("ab") + "\n" + delimiter.join("12") + "\n")
    assert table.frame.drop(LINE).rows() == [("1", "2")]


def test_column_names_are_made_unique() -> None:
    """Columns without a name, or with one that is taken, get another."""
    table = table_of("a,A,,line, b \n1,2,3,4,5\n")
    assert table.frame.columns == ["a", "column 2", "column 3", "column 4", "b", LINE]


def test_a_header_alone_has_no_rows() -> None:
    """A table without rows is an empty one."""
    assert lines_of(table_of("a,b\n\n")) == []


def test_quotes_within_a_cell_are_kept_where_the_row_has_its_cells() -> None:
    """Tags that were written with quotes of their own cost no row."""
    table = table_of('a,b,c\n1,"x"|"y, z"|"w",3\n1,"x"|"y",3\n')
    assert table.frame["b"].to_list() == ['x|"y"']
    assert [(each.line, each.problem[:11]) for each in table.damage] == [(2, "has a stray")]


def test_a_return_after_a_stray_quote_costs_its_row_alone() -> None:
    """An old line end outside quotes, in a row with a stray quote, costs no other row."""
    table = table_of('a,b\n"";\r;\n1,2\n')
    assert table.frame.drop(LINE).rows() == [("1", "2")]
    assert table.damage[0].line == 2


def test_a_control_character_within_a_line_end_makes_no_second_one() -> None:
    """Lines have the same numbers however the file is cut into pieces."""
    content = "a,b\r\x00\n1,2\n"
    assert lines_of(table_of(content)) == lines_of(table_of(content, piece_bytes=1)) == [2]


def test_header_of_finds_no_columns_in_prose() -> None:
    """A text without a delimiter has no header."""
    assert header_of(b"# Read me\n\nSome, words\n").names == ()
    assert header_of(b"\n\nA;B\n1;2\n") == Header(["a", "b"], ";", line=3)


@settings(deadline=None)  # a busy machine is slow
@given(st.lists(st.lists(st.text('ab"\n\r, ;é', max_size=6), min_size=3, max_size=3), min_size=1))
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    """Every row that the csv module writes comes back whole, unless it is blank."""
    buffer = StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["x", "y", "z"], *rows])
    expected = [
        tuple(cell.strip() for cell in row) for row in rows if any(cell.strip() for cell in row)
    ]
    if not expected:
        return
    table = table_of(buffer.getvalue())
    assert table.frame.drop(LINE).rows() == expected
    assert not table.damage


@settings(deadline=None)  # a busy machine is slow
@given(st.text('ab,;"\n\r\t\x00é', max_size=60), st.integers(1, 9))
@example('"";,"\r;,\n', 1)
def test_any_text_gives_rows_and_damage(text: str, piece_bytes: int) -> None:
    """Any text below a header is read; no line counts twice; the size of pieces does not matter."""
    whole = table_of(f"a,b\n{text}")
    lines = [*lines_of(whole), *(each.line for each in whole.damage)]
    assert len(lines) == len(set(lines))
    assert lines_of(table_of(f"a,b\n{text}", piece_bytes)) == lines_of(whole)


def test_quotes_within_a_cell_are_kept_in_a_row_of_several_lines() -> None:
    """A list of quoted words and a description of some lines are one row, as `csv` reads it."""
    table = table_of('a,b,c\n1,"x"|"y","one\n\ntwo, three"\n2,"z","w"\n')
    assert lines_of(table) == [2, 5]
    assert not table.damage
    pieces = table_of('a,b,c\n1,"x"|"y","one\n\ntwo, three"\n2,"z","w"\n', piece_bytes=9)
    assert lines_of(pieces) == [2, 5]


def test_a_lenient_row_swallows_no_other() -> None:
    """Where a line within such a row is a row of its own, the quote is damage."""
    table = table_of('a,b\n"x"|,"y\n1,2\n3,4"\n5,6\n')
    assert lines_of(table)[-1] == 5
    assert 3 in lines_of(table)
