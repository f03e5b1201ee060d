"""An analysis in one sentence: how the channel is doing, beside what is usual for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.analysis.wording import audience, change, day, noun, number, short, times
from jobs.charts.phrases import (
    RHYTHMS,
    is_fresh,
    is_held,
    often,
    pause,
    subscriber_change,
    subscriber_days,
)
from jobs.charts.theme import trimmed
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.growth import WeekChange

_FAR = 1.0
"""So many widths of the band outside of it is far."""

_TITLE_CHARACTERS = 48


def headline(analysis: ChannelAnalysis) -> str:
    """Return the most important finding, without its evidence and without a full stop."""
    return next(_headlines(analysis), "Too little is known yet to say how the channel is doing")


def _headlines(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield what can be said, the most telling first."""
    growth = analysis.growth
    views = growth.views if growth.present and growth.views.present else None
    if views is not None and views.week.present:
        yield _of_week(views.week, analysis)
    if views is not None:
        yield f"{short(views.median)} views a day, the middle of {counted(views.days, 'day')}"
    if analysis.items_daily.present:
        found = analysis.items_daily.items[0]
        yield f"{_quoted(found.title)} brings most: {short(found.last_week)} views in 7 days"
    fresh = analysis.items.standouts if analysis.items.present else []
    for item in fresh:
        if is_fresh(item, analysis):
            yield f"{_quoted(item.title)} reached {times(item.ratio or 0)} what is usual at its age"
    if growth.present and growth.subscribers.present:
        gained = growth.subscribers
        extent = f"{subscriber_change(gained)} in {subscriber_days(gained)}"
        yield f"{short(gained.last)} {audience(analysis.platform).lower()}: {extent}"
    if analysis.cadence.present:
        cadence = analysis.cadence
        if cadence.quiet:
            silent = number(round(cadence.silent_days))
            usual = pause(cadence.median_gap_days)
            yield f"Nothing new for {silent} days; half of the pauses before were within {usual}"
        yield f"About {often(cadence, analysis.platform)}, {RHYTHMS[cadence.rhythm]}"
    if analysis.items.present:
        items = analysis.items
        yield f"{short(items.views)} views on {counted(items.counted, noun(analysis.platform))}"
    yield from _counters(analysis)


def _counters(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield what single readings of counters say, if there is nothing else."""
    found = analysis.coverage
    for one in found.counters if found.present else []:
        if one.last and one.last_day and one.name in {"subscribers", "views"}:
            name = audience(analysis.platform).lower() if one.name == "subscribers" else "views"
            yield f"{short(one.last)} {name}, read on {day(one.last_day)}; nothing to compare yet"
    if found.present and found.items_listed:
        listed = counted(found.items_listed, noun(analysis.platform))
        yield f"{listed} listed, the newest of {day(found.last_at.date())}"


def _of_week(week: WeekChange, analysis: ChannelAnalysis) -> str:
    level, ratio = f"{short(week.last_mean)} a day", change(week.ratio)
    side = beside_usual(analysis)
    if week.direction != "unclear":
        verb = "rose" if week.direction == "up" else "fell"
        beside = f", {side}" if side else ""
        return f"Views {verb} to {level}, {ratio} on the week before{beside}"
    if side:
        return f"Views are {side}: {level}"
    held = "hold their level" if is_held(week) else "vary too much to tell a change"
    return f"Views {held}: {level}, {ratio} may be chance"


def beside_usual(analysis: ChannelAnalysis) -> str:
    """Return on which side of the channel's own band the last week lies; empty if within it."""
    found = analysis.usual
    if not found.present or not found.standing:
        return ""
    far = "far " if abs(found.standing) >= _FAR else ""
    side = "above" if found.standing > 0 else "below"
    return f"{far}{side} the usual {short(found.low)} to {short(found.high)}"


def _quoted(title: str) -> str:
    return f"“{trimmed(title, _TITLE_CHARACTERS)}”"
