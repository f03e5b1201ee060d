"""
What the dates of a column say together: day or month first, and of which years they are.

A cell that can be read in one way only decides for all. Where dates have no year, it is counted
from one that is known, as far as the rows are in order of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

Order: TypeAlias = Literal["dmy", "mdy"]

_MONTHS_IN_A_YEAR = 12
_MONTH_DAYS = 31
_NO_TURN = 5 * _MONTH_DAYS
"""Between two rows of one year are fewer days than this, and more where the year turns."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a cell says: *day_and_month* in the order written, where two readings are possible."""

    year: int | None
    month: int | None
    day: int | None
    hour: int = 0
    minute: int = 0
    second: int = 0
    offset_h: float | None = None
    day_and_month: tuple[int, int] | None = None


def order_of(parts: Iterable[Parts], now: datetime | None) -> Order | None:
    """
    Return which of day and month comes first: what some cell cannot be otherwise, or what follows.

    now: None where nothing but a cell that cannot be otherwise decides.
    """
    pairs = [(each.day_and_month, each.year) for each in parts if each.day_and_month]
    if not pairs:
        return None
    first = sum(one > _MONTHS_IN_A_YEAR for (one, _), _ in pairs)
    second = sum(two > _MONTHS_IN_A_YEAR for (_, two), _ in pairs)
    if first or second:
        return None if first and second else "dmy" if first else "mdy"
    if now is None:
        return None
    if all(one == two for (one, two), _ in pairs):
        return "dmy"
    days = {order: _days(pairs, order) for order in ("dmy", "mdy")}
    ranked = sorted(
        (("dmy", _evenness(days["dmy"], now)), ("mdy", _evenness(days["mdy"], now))),
        key=lambda each: each[1],
    )
    (_, less), (best, most) = ranked
    return best if most > less else None  # type: ignore[return-value]  # of the literal above


def _days(pairs: Sequence[tuple[tuple[int, int], int | None]], order: str) -> list[date]:
    found = []
    for (one, two), year in pairs:
        day, month = (one, two) if order == "dmy" else (two, one)
        try:
            found.append(date(year or 2000, month, day))
        except ValueError:
            continue
    return found


def _evenness(days: Sequence[date], now: datetime) -> tuple[int, int]:
    """
    How well days follow each other: few that have not come yet, many one day after the last.

    Steps of another length count where they are all the same.
    """
    future = sum(day > (now + timedelta(days=1)).date() for day in days)
    steps = [abs((after - before).days) for before, after in pairwise(days)]
    same = len(steps) > 1 and len(set(steps)) == 1
    return -future, sum(step == 1 for step in steps) or (len(steps) if same else 0)


def _steps(parts: Mapping[str, Parts], order: Order | None) -> list[int]:
    """How far it is from each cell to the next, about in days, as if all were of one year."""
    months = (month_and_day(each, order) for each in parts.values())
    return [after - before for before, after in pairwise(_MONTH_DAYS * m + d for m, d in months)]


def _run_backwards(steps: Sequence[int]) -> bool:
    near = [step for step in steps if 0 < abs(step) < _NO_TURN]
    return sum(step < 0 for step in near) > len(near) / 2


def follow_each_other(parts: Mapping[str, Parts], order: Order | None) -> bool:
    """Return whether cells run forwards or backwards in time: no short step leads the other way."""
    steps = _steps(parts, order)
    sign = -1 if _run_backwards(steps) else 1
    return not any(-_NO_TURN < sign * step < 0 for step in steps)


def years_of(
    parts: Mapping[str, Parts], order: Order | None, year: int | None, first: date | None
) -> Mapping[str, int]:
    """
    The year of each cell: its own, or counted from *year* on where months begin again.

    Rows run forwards or backwards in time. With *first* they are of the year from that day on.
    """
    own = {cell: each.year for cell, each in parts.items() if each.year is not None}
    if len(own) == len(parts) or (year is None and first is None):
        return own
    months = {cell: month_and_day(each, order) for cell, each in parts.items()}
    if first is not None:
        begun = first.month, first.day
        return {cell: first.year + (place < begun) for cell, place in months.items()} | own
    backwards = _run_backwards(_steps(parts, order))
    last, found = None, dict(own)
    assert year is not None  # noqa: S101 -- see above
    for cell, place in months.items():
        if last is not None and (place > last if backwards else place < last) and cell not in own:
            year += -1 if backwards else 1
        last = place
        found.setdefault(cell, year)
    return found


def month_and_day(parts: Parts, order: Order | None) -> tuple[int, int]:
    """Return both, the month first where no *order* is known."""
    if parts.month is not None and parts.day is not None:
        return parts.month, parts.day
    one, two = parts.day_and_month or (1, 1)
    return (two, one) if order == "dmy" else (one, two)
