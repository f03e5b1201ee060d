"""Where a channel stands among the channels that are most like it."""

from __future__ import annotations

from datetime import date
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from jobs.analysis.wording import change, short
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.analysis import ChannelAnalysis

FEWEST: Final = 3
"""A rank among fewer says little."""

_WEEK: Final = 7
_FEWEST_DAYS: Final = 5
_APART_DAYS: Final = 7


def cohort_sentence(analysis: ChannelAnalysis, peers: Sequence[Mapping[str, Any]]) -> str | None:
    """
    Return the rank by views a day, and the week's change beside the others'.

    peers: the newest days of similar channels, as `Recent` in their analyses has them. Those whose
    days end more than a week apart from this channel's are of another time, and left out.
    """
    recent = analysis.recent
    if not recent.present:
        return None
    own = _week(recent.gains)
    found = [
        week
        for one in peers
        if one.get("last_day")
        and abs((date.fromisoformat(one["last_day"]) - recent.last_day).days) <= _APART_DAYS
        and (week := _week(one.get("gains", ()))) is not None
    ]
    if own is None or len(found) < FEWEST:
        return None
    rank = 1 + sum(views > own[0] for views, _ in found)
    others = counted(len(found), "similar channel")
    return (
        f"Beside {others} this one is number {rank} of {len(found) + 1} by views a day: "
        f"{short(own[0])}, half of the others {short(median(views for views, _ in found))} or "
        f"less. On the week before it has {change(own[1])}, the median of the others "
        f"{change(median(ratio for _, ratio in found))}."
    )


def _week(gains: Sequence[int | None]) -> tuple[float, float] | None:
    """Views a day in the last 7 days, and over those of the 7 before; None if too few are known."""
    after, before = gains[-_WEEK:], gains[-2 * _WEEK : -_WEEK]
    known = [
        (now, then)
        for now, then in zip(after, before, strict=False)
        if now is not None and then is not None
    ]
    earlier = sum(then for _, then in known)
    if len(known) < _FEWEST_DAYS or earlier <= 0:
        return None
    later = sum(now for now, _ in known)
    return later / len(known), later / earlier
