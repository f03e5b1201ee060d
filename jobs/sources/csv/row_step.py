"""
What one row of a table stands for, where its column of days is not read: a day, a week, a month.

Told by the first column that has days, spans of days (`1 Jan 2024 - 7 Jan 2024`) or names of weeks
and months (`2024-W05`, `KW 5`), and by its name. A list of items has dates, too: when they came
out. Its other columns say so, since titles and ids are words, each of them once.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.sources.csv.table import read_rows
from jobs.sources.document import file_errors
from jobs.sources.header import LINE
from jobs.sources.values import dates, numbers
from jobs.sources.values.ranges import ranges_in
from jobs.sources.values.steps import Step, step_of, step_of_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from jobs.sources.document import Text

_ROWS = 500
_FEWEST = 3
_MOSTLY = 0.8
_NO_LETTERS = re.compile(r"[\W\d_]+")
_ISO_WEEK = re.compile(r"\d{4}-?w\d{1,2}")
_NO_WORD = re.compile(r"[\d\s.,:%+'’/ -]*")


def row_step(text: Text) -> Step | None:
    """Return what a row of the table *text* stands for; None if nothing tells."""
    cells = _cells(text)
    for at, (name, column) in enumerate(cells.items()):
        if len(column) < _FEWEST:
            continue
        step = _step_of_spans(column) or _step_of_days(column, _said(name), is_first=at == 0)
        if step is not None:
            others = [each for other, each in cells.items() if other != name]
            return None if step is Step.OTHER or any(map(_names_each, others)) else step
    return None


def _cells(text: Text) -> Mapping[str, list[str]]:
    """The filled cells of the first rows, by column."""
    with file_errors(text.location), text.open() as file:
        frames = [rows.frame.head(_ROWS) for rows in islice(read_rows(file, text.header), 1)]
    if not frames or frames[0].height < _FEWEST:
        return {}
    frame = frames[0]
    return {
        name: [cell for cell in frame[name].to_list() if cell]
        for name in frame.columns
        if name != LINE
    }


def _step_of_spans(cells: Sequence[str]) -> Step | None:
    """What cells name: a week or month by its number, or its first and last day."""
    labels = {_label(cell) for cell in cells}
    if len(labels) == 1 and (label := labels.pop()) is not None:
        return label
    lengths = sorted(span.days for span in ranges_in(cells) if span is not None)
    if len(lengths) < _MOSTLY * len(cells):
        return None
    return step_of_length(lengths[len(lengths) // 2])


def _step_of_days(cells: Sequence[str], said: Step | None, *, is_first: bool) -> Step | None:
    """
    What a column of days says by their gaps; None if it is none, other if they tell nothing.

    said: what its name says, where its cells are the names or the numbers of months and the like.
    """
    if not any(map(_has_date_mark, cells)):
        return said if is_first else None
    column = dates.read_column(cells, year=2000)  # gaps of days are the same in most years
    days = [time.date() for cell in cells if (time := column.read(cell))]
    if len(days) < _MOSTLY * len(cells):
        return said
    step = step_of(days, monthly=column.monthly)
    if column.monthly or _is_regular(days, step):
        return step
    return said or Step.OTHER


def _is_regular(days: Sequence[date], step: Step) -> bool:
    gaps = [step_of_length((last - first).days) for first, last in pairwise(sorted(set(days)))]
    return sum(gap is step for gap in gaps) >= _MOSTLY * len(gaps)


def _has_date_mark(cell: str) -> bool:
    return not cell.replace(".", "").replace(",", "").replace("%", "").isdecimal()


def _names_each(cells: Sequence[str]) -> bool:
    """Whether the cells of a column are words, hardly any of them twice: of items."""
    distinct = set(cells)
    if len(cells) < _FEWEST or len(distinct) <= len(cells) / 2:
        return False
    read = numbers.reader(cells)
    words = [cell for cell in distinct if read(cell) is None and not _NO_WORD.fullmatch(cell)]
    return len(words) > len(distinct) / 2


def _said(name: str) -> Step | None:
    """The span that the name of a column names."""
    words = _words()
    return next(filter(None, map(words.get, _NO_LETTERS.split(name.lower()))), None)


def _label(cell: str) -> Step | None:
    """The span that a cell names by its number: `2024-W05`, `KW 5`, `Semana 5`, `第5週`."""
    seen = cell.strip().lower()
    if _ISO_WEEK.fullmatch(seen):
        return Step.WEEK
    if not any(map(str.isdecimal, seen)):
        return None
    found = {word for word in _NO_LETTERS.split(seen.removeprefix("第")) if word}
    steps = {_words().get(word) for word in found}
    return steps.pop() if len(steps) == 1 else None


@cache
def _words() -> Mapping[str, Step]:
    path = Path(__file__).parent.parent / "words" / "steps.toml"
    document = tomllib.loads(path.read_text("utf-8"))
    steps = {"week": Step.WEEK, "month": Step.MONTH, "quarter": Step.QUARTER, "year": Step.YEAR}
    return {word: steps[span] for span, words in document.items() for word in words}
