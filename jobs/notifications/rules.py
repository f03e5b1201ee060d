"""
Find the events in an analysis: milestones, unusual days, a channel that went quiet. Pure.

Only news counts. Whatever happened more than `NEWS` ago is history, such as the past of an old
channel at its first sync.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jobs.analysis.wording import change, day, noun, short
from jobs.channel.words import spoken
from jobs.notifications.event import Event, Kind
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from jobs.analysis import ChannelAnalysis

NEWS = timedelta(days=3)
"""Sources publish a day's counters up to two days later."""

QUIET_GAPS = 3.0
"""A silence is reported when it is this many times as long as the usual gap …"""

QUIET_DAYS = 3.0
"""… and lasts at least this many days."""


def events(analysis: ChannelAnalysis, now: datetime) -> list[Event]:
    """
    Return the events in *analysis* that are news at *now*, often none.

    An event has the same key every time it is found, so it is reported once.
    """
    if analysis.generated:
        return []
    return [*_milestones(analysis, now), *_unusual(analysis, now), *_quiet(analysis, now)]


def _milestones(analysis: ChannelAnalysis, now: datetime) -> Iterator[Event]:
    if not analysis.milestones.present:
        return
    expected = {one.counter: one for one in analysis.milestones.expected}
    for one in analysis.milestones.reached:
        if not _is_news(one.day, now):
            continue
        ahead = expected.get(one.counter)
        yield Event(
            key=f"milestone:{analysis.channel_id}:{one.counter}:{one.value}",
            kind=Kind.MILESTONE,
            channel_id=analysis.channel_id,
            title=f"{analysis.title} has reached {short(one.value)} "
            f"{spoken(one.counter, analysis.platform)}",
            body=f"First read at or above it on {day(one.day)}."
            + (
                f" At its pace it should reach {short(ahead.value)} about {day(ahead.day)}."
                if ahead and ahead.value > one.value
                else ""
            ),
        )


def _unusual(analysis: ChannelAnalysis, now: datetime) -> Iterator[Event]:
    if not analysis.outliers.present:
        return
    views = spoken("views", analysis.platform)
    for one in analysis.outliers.days:
        if _is_news(one.day, now):
            yield Event(
                key=f"unusual:{analysis.channel_id}:{one.day.isoformat()}",
                kind=Kind.UNUSUAL,
                channel_id=analysis.channel_id,
                title=f"{analysis.title}: unusual {one.kind} of {views} on {day(one.day)}",
                body=f"{short(one.views)} {views}, {change(one.ratio)} against the "
                f"{short(one.typical)} that are usual around that day.",
            )


def _quiet(analysis: ChannelAnalysis, now: datetime) -> Iterator[Event]:
    """Report a silence only while it is new: a channel that ended years ago is not news."""
    cadence = analysis.cadence
    if not cadence.present or now - cadence.as_of > NEWS:
        return
    limit_days = max(QUIET_GAPS * cadence.median_gap_days, QUIET_DAYS)
    if not limit_days < cadence.silent_days <= 2 * limit_days + NEWS.days:
        return
    thing = noun(analysis.platform)
    gap = f"one every {counted(round(cadence.median_gap_days), 'day')}"
    yield Event(
        key=f"quiet:{analysis.channel_id}:{cadence.last_at.isoformat()}",
        kind=Kind.QUIET,
        channel_id=analysis.channel_id,
        title=f"{analysis.title} has gone quiet",
        body=f"No {thing} for {counted(round(cadence.silent_days), 'day')}; "
        f"{gap if cadence.median_gap_days >= 1 else 'several a day'} is usual. "
        f"The last one came on {day(cadence.last_at)}.",
    )


def _is_news(when: date, now: datetime) -> bool:
    return now.date() - when <= NEWS
