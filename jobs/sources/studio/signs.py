"""
What the numbers of an export say of its scope, where its owner does not.

    are_counters   its days are a log of counters, and no gains
    odd_days       its days may be something else than what came in on them
    cut         its rows are not all: a note says so, or they sum up to less than its total
    counted_from   its counts are of a range, from some time on, and not of the whole lifetime
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from jobs.sources.header import LINE
from jobs.sources.studio.role import DAY
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jobs.sources.studio.table import StudioTable

_WHOLE_SHARE = 0.8
"""Rows that sum up to less of the total are cut; a few views are of videos that were deleted."""

_RANGES = (7, 28, 90, 365)
"""The ranges that Studio offers, in days."""

_SLACK_DAYS = 1
_NEIGHBOURS = 12
_FEWEST = 6
_STEPS_IN_A_COUNTER = 20
_FEWEST_RISING = 13
"""Views that never fall within two weeks are unheard of, but for a channel that just began."""

_MOST_BELOW = 0.05
_BREAK = 3.0
"""Views fall by so many times within a few days of age: no audience does that."""


def cut(table: StudioTable, listed_views: int | None) -> str | None:
    """Return in one clause how *table* was cut; None if nothing says so."""
    total = table.total
    if total and listed_views is not None and listed_views < _WHOLE_SHARE * total:
        share = f"{100 * listed_views / total:.0f} %"
        return f"cut: the {listed_views:,} views listed are {share} of the {total:,} in its total"
    if table.cut_at is not None:
        return f"cut: it shows its first {table.cut_at:,} rows only"
    return None


def are_counters(columns: Sequence[Sequence[int | None]]) -> bool:
    """
    Whether the *columns* of days, views and subscribers, are a log of counters, and no gains.

    Both only rise, and each step is little of what they are: nobody's gains do that.
    """
    for column in columns:
        known = [value for value in column if value is not None]
        steps = [after - before for before, after in pairwise(known)]
        if len(steps) < _FEWEST or min(steps) < 0 or max(steps) == 0:
            return False
        if known[0] < _STEPS_IN_A_COUNTER * max(steps):
            return False
    return len(columns) > 1


def odd_days(table: StudioTable) -> list[str]:
    """Return clauses on the days of *table* that a reader should know before believing them."""
    rows = table.rows
    found = []
    again = rows.height - rows.n_unique(DAY)
    if again and rows.drop(LINE).n_unique() > rows.n_unique(DAY):
        what = "days are" if again > 1 else "day is"
        found.append(f"{again} {what} in {table.name} twice, with other numbers: the last counts")
    for name in ("views", "subscribers"):
        if name not in rows.columns:
            continue
        values = rows.sort(DAY)[name].drop_nulls()
        falls = int((values.diff() < 0).sum())
        if values.len() > _FEWEST_RISING and not falls and values[-1] > values[0]:
            found.append(
                f"the {name} of {table.name} never fall from one day to the next: they are read as "
                "what came in on each day; if each is the total so far, map them as a counter"
            )
        below = int((values < 0).sum())
        if name == "views" and below > _MOST_BELOW * values.len():
            found.append(f"{counted(below, 'day')} of {table.name} have views below zero")
    return found


def counted_from(items: Sequence[tuple[datetime, int | None, bool]]) -> datetime | None:
    """
    Return when a range began that counts are of; None if nothing shows that they are.

    items: publication, views, and whether a count is below zero, which no lifetime's is. Of those
    up to the newest such item the counts are a part. Else views that break off at an age that is
    one of Studio's ranges show it.
    """
    ordered = sorted(items, key=lambda each: each[0])
    below = [published for published, _, negative in ordered if negative]
    broken = _break([(published, views) for published, views, _ in ordered if views is not None])
    newest = max(below, default=None)
    after = [published for published, *_ in ordered if newest is not None and published > newest]
    begun = min(after, default=newest)
    return max((each for each in (begun, broken) if each is not None), default=None)


def _break(items: Sequence[tuple[datetime, int]]) -> datetime | None:
    """The first publication after the clearest break; *items* are by publication."""
    found: list[tuple[int, datetime]] = []
    for at in range(_FEWEST, len(items) - _FEWEST + 1):
        age, older = ((items[-1][0] - items[each][0]).days for each in (at, at - 1))
        if any(
            age <= days + 1 and days - _SLACK_DAYS <= older for days in _RANGES if age > days / 2
        ):
            before = [views for _, views in items[max(0, at - _NEIGHBOURS) : at]]
            after = [views for _, views in items[at : at + _NEIGHBOURS]]
            misfits = _misfits(before, after)
            if misfits is not None:
                found.append((misfits, items[at][0]))
    return min(found)[1] if found else None


def _misfits(before: Sequence[int], after: Sequence[int]) -> int | None:
    """How many views lie on the wrong side of a break; None if there is none."""
    low, high = max(1.0, median(before)), median(after)
    if sorted(after)[len(after) // 5] <= _BREAK * max(1, sorted(before)[len(before) * 4 // 5]):
        return None
    if high <= 2 * _BREAK * low:
        return None
    between = math.sqrt(low * high)
    return sum(views >= between for views in before) + sum(views < between for views in after)
