"""The line that names the columns: found below what does not, and never made of data."""

from __future__ import annotations

import pytest

from jobs.sources.header import header_at, header_of, is_data
from jobs.sources.text import plain


@pytest.mark.parametrize(
    ("text", "names", "line"),
    [
        ("sep=;\nDay;Reach\n1;2\n", ["day", "reach"], 2),
        ('sep=,\n"Content reach"\n"Day","Reach"\n"1","2"\n', ["day", "reach"], 3),
        ("My report\n\nDay,Reach\n1,2\n", ["day", "reach"], 3),
        ("My report,,\nDay,Reach,Likes\n1,2,3\n", ["day", "reach", "likes"], 2),
        ("My report\n2023-05-01,5\n2023-05-02,6\n", (), 1),
        ("Day\u00a0one, Re\u00adach\ufeff\n1,2\n", ["day one", "reach"], 1),
    ],
)
def test_titles_above_a_table_are_passed(text: str, names: list[str], line: int) -> None:
    """Lines by which a spreadsheet is told something, and titles, are no names of columns."""
    found = header_of(text.encode())
    assert list(found.names) == list(names)
    assert found.line == line


def test_a_line_can_be_named() -> None:
    """What someone said is the header is it."""
    assert header_at(b"a,b\nc,d\n1,2\n", 2).names == ["c", "d"]
    assert not header_at(b"a,b\n", 9).names


def test_names_are_what_people_see() -> None:
    """Two names that look the same are the same."""
    assert plain("\ufeffAuf\u00adru\u00adfe\u00a0 ") == "aufrufe"
    assert plain("総再生時間（単位: 時間）") == "総再生時間(単位: 時間)"  # noqa: RUF001
    assert plain("Cafe\u0301") == plain("Café")


def test_data_are_no_names() -> None:
    """A first line with a date or with numbers is a row; one with a column for each day is none."""
    assert is_data(["q1w2e3r4t5y", "a title", "2023-05-01", "5"])
    assert is_data(["q1w2e3r4t5y", "a title", "17", "5"])
    assert not is_data(["channel", "1d", "2023"])
    assert not is_data(["channel", "2023-05-01", "2023-05-02", "2023-05-03"])
