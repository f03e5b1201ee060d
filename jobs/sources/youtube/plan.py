"""
What a sync of a YouTube channel asks for, and how much of a day's quota that costs. Pure.

| what | how often | units |
|---|---|---|
| counters of the channel | at every sync | 1 |
| newest page of its uploads | at every sync; more until one holds a known video | 1 a page |
| counters of new videos, and of those younger than 7 days | at every sync | 1 for 50 |
| counters of videos younger than 90 days | once a day | 1 for 50 |
| everything: all pages of the uploads, counters of all videos | once a week | 2 for 50 |

Most of a video's views come in its first days, so most units are spent there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from jobs.sources.values import times
from jobs.sources.youtube.api import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

RECENT = timedelta(days=7)
YOUNG = timedelta(days=90)

_DAILY = timedelta(hours=23)
"""Less than a day: syncs are jittered, and one that is a minute early must not skip a day."""

_WEEKLY = timedelta(days=6, hours=23)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which of the expensive parts are due: counters of *young* videos, and *everything*."""

    young: bool
    everything: bool


def plan_at(now: datetime, memory: Mapping[str, str]) -> Plan:
    """Return what is due; *memory* has when it was last done: `young_at`, `everything_at`."""
    return Plan(
        young=_is_due(memory.get("young_at"), now, _DAILY),
        everything=_is_due(memory.get("everything_at"), now, _WEEKLY),
    )


def cost_of_everything(videos: int) -> int:
    """Return the units of a whole pass: the channel, the pages of its uploads, all its videos."""
    return 1 + max(1, _batches(videos)) + _batches(videos)


def cost_per_day(videos: int, *, recent: int, young: int, syncs: float) -> float:
    """
    Return the units a day of a channel with so many videos (of the last 7 and 90 days).

    A larger batch takes the place of a smaller one: the daily batches include the recent videos,
    and the weekly pass includes all.
    """
    weekly = cost_of_everything(videos) - 2
    often = 2 * syncs + max(0.0, syncs - 1) * _batches(recent)
    return often + _batches(young) * 6 / 7 + weekly / 7


def videos_to_ask(known: Mapping[str, datetime | None], now: datetime, plan: Plan) -> list[str]:
    """Return the known videos whose counters are due, oldest first: so batches stay the same."""
    reach = YOUNG if plan.young else RECENT
    dated = [(date, video_id) for video_id, date in known.items() if date and now - date <= reach]
    return [video_id for _, video_id in sorted(dated)]


def _batches(videos: int) -> int:
    return ceil(videos / PAGE_SIZE)


def _is_due(last_done: str | None, now: datetime, every: timedelta) -> bool:
    last = times.from_iso8601(last_done or "")
    return last is None or now - last >= every
