"""Phrases that several parts of a report share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jobs.analysis.wording import day, noun, number, period, short, signed, times
from runner.wording import counted

if TYPE_CHECKING:
    from datetime import date

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.cadence import Cadence, Rhythm
    from jobs.analysis.growth import SubscriberGrowth, WeekChange
    from jobs.analysis.items import RankedItem
    from jobs.analysis.milestones import MilestoneExpected, MilestoneReached
    from jobs.analysis.owner_figures import OwnerFigures
    from jobs.analysis.peak import Peak
    from jobs.channel.records import Platform

RHYTHMS: Final[dict[Rhythm, str]] = {
    "like clockwork": "like clockwork",
    "regular": "at regular intervals",
    "irregular": "at irregular intervals",
    "in bursts": "in bursts",
}
_PROVED: Final = re.compile(r"(.+?) (\([^()]*\)\.)")
_LEVEL_HELD: Final = 1.25
_FEWEST_A_WEEK = 0.5
"""What is rarer is given as weeks for one: 0.1 a week has no second digit."""
RECENT_DAYS = 30
"""For how many days something is news."""


def clock_of(analysis: ChannelAnalysis) -> str:
    """Return whose days the daily views are of."""
    return analysis.coverage.clock if analysis.coverage.present else "UTC"


def milestone_name(found: MilestoneReached | MilestoneExpected, platform: Platform) -> str:
    """Return a milestone as “100K subscribers”."""
    things = f"{noun(platform)}s" if found.counter == "items" else found.counter
    return f"{short(found.value)} {things}"


def milestone_ahead(found: MilestoneExpected) -> str:
    """Return when *found* is expected: “around 3 May 2026 (80% interval 1 May – 6 May 2026)”."""
    if found.latest is None:
        return f"around {day(found.day)} (from {day(found.earliest)}, or much later)"
    return (
        f"around {day(found.day)} "
        f"({found.level:.0%} interval {period(found.earliest, found.latest)})"
    )


def owner_span(found: OwnerFigures) -> str:
    """Return the days that an owner's figures are of: “1 Jan – 28 Jan 2024”, “all until …”."""
    if found.first is None:
        return f"all until {day(found.last)}"
    return period(found.first, found.last)


def is_held(week: WeekChange) -> bool:
    """Return whether a change that is not clear is surely a small one, a quarter at most."""
    return week.low >= 1 / _LEVEL_HELD and week.high <= _LEVEL_HELD


def lead_and_evidence(sentence: str) -> tuple[str, str]:
    """Return a sentence in two parts: what it says, and the bracket at its end that proves it."""
    found = _PROVED.fullmatch(sentence)
    return (found[1], found[2]) if found else (sentence, "")


def subscriber_change(found: SubscriberGrowth) -> str:
    """
    Return the change as “+7,123”, or as exactly as a rounded counter allows.

    That is “+6,000 to +8,000”, or “up to +2,000” for one step.
    """
    if found.resolution == 1:
        return signed(found.change)
    # The bounds are exclusive; the round numbers one off read better.
    low, high = found.low - 1, found.high + 1
    if not low or not high:
        return f"up to {signed(low or high)}"
    return f"{signed(low)} to {signed(high)}"


def subscriber_days(found: SubscriberGrowth) -> str:
    """Return the time between the first and the last reading, in days."""
    return counted(max(1, round((found.last_at - found.first_at).total_seconds() / 86_400)), "day")


def is_fresh(item: RankedItem, analysis: ChannelAnalysis) -> bool:
    """Return whether *item* is new at the end of the data, not at its own last reading."""
    if item.published_at is None or not analysis.coverage.present:
        return False
    return (analysis.coverage.last_at - item.published_at).days <= RECENT_DAYS


def standout(item: RankedItem) -> str:
    """Return how far an item stands out: “A title” (3 May 2026) reached 4.8× …."""
    when = "" if item.published_at is None else f" ({day(item.published_at.date())})"
    return f"“{item.title}”{when} reached {times(item.ratio or 0)} the views usual here at its age"


def highest_day(found: Peak) -> str:
    """Return a peak and what explains it: “3 May 2026 with 9,120 views, 3.1× the usual …”."""
    text = (
        f"{day(found.day)} with {short(found.views)} views, {times(found.ratio)} the "
        f"{short(found.usual)} usual around it"
    )
    match found.why:
        case "platform":
            return f"{text}: the counters caught up that day on most channels"
        case "late":
            return f"{text}: the counter had not moved, or was not read, the day before"
        case "item":
            brought = min(found.item_views or 0, found.views)
            return f"{text}; “{found.title}” brought {short(brought)} of them"
        case "published":
            when = "that day" if _day_of(found) == found.day else "the day before"
            return f"{text}; “{found.title}” came out {when}"
    return f"{text}; nothing in this data says why"


def _day_of(found: Peak) -> date | None:
    return None if found.published_at is None else found.published_at.date()


def often(found: Cadence, platform: Platform) -> str:
    """Return how often items come out: “3.4 videos a week”, “one episode in 7 weeks”."""
    thing, rate = noun(platform), found.rate.per_week
    if rate >= _FEWEST_A_WEEK:
        return f"{number(rate)} {thing}{'' if number(rate) == '1' else 's'} a week"
    return f"one {thing} in {counted(round(1 / rate), 'week')}" if rate else f"no {thing}"


def rate_basis(found: Cadence) -> str:
    """Return what that rests on: “the dates of 17 Jan – 10 Feb 2026”."""
    span = period(found.rate.first, found.rate.last)
    return f"the channel's own count, {span}" if found.rate.by == "count" else f"the list, {span}"


def pause(days: float) -> str:
    """Return a time between two items: “one day”, “6 hours”, “7.5 days”."""
    if days < 1:
        hours = number(round(24 * days))
        if hours == "0":
            return "less than an hour"
        return "one hour" if hours == "1" else f"{hours} hours"
    return "one day" if number(days) in {"1", "1.0"} else f"{number(days)} days"
