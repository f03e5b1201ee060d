"""
What a sync of a YouTube channel asks for, and what that costs of a day's quota. Pure.

| what | how often | units |
|---|---|---|
| counters of the channel | at every sync | 1 |
| newest page of its uploads | at every sync; more until one holds a known video | 1 a page |
| counters of new videos, and of those younger than 7 days | at every sync | 1 for 50 |
| counters of videos younger than 90 days | once a day | 1 for 50 |
| everything: all pages of the uploads, counters of all videos | once a week | 2 for 50 |

A video's views come mostly in its first days, so that is where the units go.
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
"""A little less than a day: syncs are jittered, and a day should not be missed for a minute."""

_WEEKLY = timedelta(days=6, hours=23)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which of the dearer parts are due: counters of *young* videos, and *everything*."""

    young: bool
    everything: bool


def plan_at(now: datetime, memory: Mapping[str, str]) -> Plan:
    """Tell what is due by when it was done last: `young_at`, `everything_at`, ISO 8601."""
    return Plan(
        young=_is_due(memory.get("young_at"), now, _DAILY),
        everything=_is_due(memory.get("everything_at"), now, _WEEKLY),
    )


def cost_of_everything(videos: int) -> int:
    """Units for a whole pass: the channel, the pages of its uploads, the batches of its videos."""
    return 1 + max(1, _batches(videos)) + _batches(videos)


def cost_per_day(videos: int, *, recent: int, young: int, syncs: float) -> float:
    """
    Units a day of a channel with so many videos (of the last 7 and 90 days), by syncs a day.

    What is asked for seldom takes the place of what is asked for often: the daily batches hold
    the recent videos, and a weekly pass all of them.
    """
    weekly = cost_of_everything(videos) - 2
    often = 2 * syncs + max(0.0, syncs - 1) * _batches(recent)
    return often + _batches(young) * 6 / 7 + weekly / 7


def videos_to_ask(known: Mapping[str, datetime | None], now: datetime, plan: Plan) -> list[str]:
    """Choose the known videos whose counters are due, oldest first: batches stay alike."""
    reach = YOUNG if plan.young else RECENT
    dated = [(date, video_id) for video_id, date in known.items() if date and now - date <= reach]
    return [video_id for _, video_id in sorted(dated)]


def _batches(videos: int) -> int:
    return ceil(videos / PAGE_SIZE)


def _is_due(told: str | None, now: datetime, every: timedelta) -> bool:
    last = times.from_iso8601(told or "")
    return last is None or now - last >= every
