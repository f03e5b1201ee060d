"""Whether a report's data is older than a reader expects."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.analysis.wording import day

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis

FRESH = timedelta(days=7)


def old_since(analysis: ChannelAnalysis, today: date) -> date | None:
    """
    Return the day of the newest reading if it is more than a week before *today*, else None.

    A list of items without counters has no reading: its newest item says nothing of its age. Made
    up data is of no time.
    """
    found, growth = analysis.coverage, analysis.growth
    if analysis.generated or not found.present:
        return None
    exported = growth.present and (growth.views.present or growth.gained.present)
    if not (found.days_observed or found.item_snapshots or exported):
        return None
    newest = found.last_at.date()
    return newest if today - newest > FRESH else None


def old_words(newest: date) -> str:
    """Return what a reader of old data should know."""
    return (
        f"The newest reading is of {day(newest)}, more than a week before this report was made: "
        "“now” and “the last days” are those before that day."
    )
