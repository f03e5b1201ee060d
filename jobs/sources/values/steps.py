"""How far the days of a table lie apart: days, or weeks, months, anything else."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

_WEEK = 7
_MONTH = range(28, 32)
_QUARTER = range(89, 93)
_YEAR = range(365, 367)


class Step(StrEnum):
    """How far the days of a table lie apart."""

    DAY = "daily"
    WEEK = "weekly"
    MONTH = "monthly"
    QUARTER = "quarterly"
    YEAR = "yearly"
    OTHER = "not daily"

    def rows(self) -> str:
        """What one calls its rows."""
        return _ROWS.get(self, "spans of several days")


_ROWS = {
    Step.DAY: "days",
    Step.WEEK: "weeks",
    Step.MONTH: "months",
    Step.QUARTER: "quarters",
    Step.YEAR: "years",
}


def step_of(days: Iterable[date], *, monthly: bool = False) -> Step:
    """Return the step of *days*, which may repeat; a few that are missing make no other."""
    if monthly:
        return Step.MONTH
    distinct = sorted(set(days))
    gaps = [(after - before).days for before, after in pairwise(distinct)]
    if not gaps:
        return Step.DAY
    [(usual, _)] = Counter(gaps).most_common(1)
    return step_of_length(usual)


def step_of_length(days: int) -> Step:
    """Return the step whose rows are so many *days* apart, or long."""
    if days == 1:
        return Step.DAY
    if days == _WEEK:
        return Step.WEEK
    for step, lengths in ((Step.MONTH, _MONTH), (Step.QUARTER, _QUARTER), (Step.YEAR, _YEAR)):
        if days in lengths:
            return step
    return Step.OTHER
