"""Whether a report's data is older than a reader expects."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.analysis.wording import day, noun

if TYPE_CHECKING:
    from jobs.analysis import ChannelAnalysis

FRESH = timedelta(days=7)
SILENT = timedelta(days=60)
"""A list of items has no reading; after so long without a new item it speaks of another time."""


def old_words(analysis: ChannelAnalysis, today: date) -> str | None:
    """
    Return what a reader of old data should know; None if the data is not old on the day *today*.

    It is if the newest reading is more than a week old, or the newest item of a list without
    counters, which says nothing of when it was read, more than two months. Made up data is of no
    time.
    """
    found, growth = analysis.coverage, analysis.growth
    if analysis.generated or not found.present:
        return None
    exported = growth.present and (growth.views.present or growth.gained.present)
    newest = found.last_at.date()
    if not (found.days_observed or found.item_snapshots or exported):
        return _silent_words(newest, analysis) if today - newest > SILENT else None
    if today - newest <= FRESH:
        return None
    return (
        f"The newest reading is of {day(newest)}, more than a week before this report was made: "
        "“now” and “the last days” are those before that day."
    )


def _silent_words(newest: date, analysis: ChannelAnalysis) -> str:
    return (
        f"The newest {noun(analysis.platform)} listed is of {day(newest)}, more than two months "
        "before this report was made: what it says of habits is of the time until then."
    )
