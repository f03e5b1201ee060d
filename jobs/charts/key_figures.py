"""The numbers at the top of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.analysis.wording import (
    audience,
    change,
    clock,
    day,
    noun,
    number,
    per_week,
    percent,
    period,
    short,
    signed,
)
from jobs.charts.phrases import (
    RHYTHMS,
    milestone_name,
    owner_span,
    subscriber_change,
    subscriber_days,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.growth import ViewGrowth


MOST = 5


@dataclass(frozen=True, slots=True)
class Band:
    """
    What is usual for a number, in words and as places on a line from 0 to 1.

    The band runs from *start* to *end*, the number itself lies *at*; *outside* of the band or not.
    """

    words: str
    start: float
    end: float
    at: float
    outside: bool

    @classmethod
    def of(cls, words: str, low: float, high: float, value: float) -> Band:
        """Place *value* beside the band from *low* to *high*."""
        first, last = min(low, value), max(high, value)
        room = 0.3 * (last - first) or 1.0
        first, width = first - room, last - first + 2 * room
        start, end, at = (round((one - first) / width, 4) for one in (low, high, value))
        return cls(words, start, end, at, outside=not low <= value <= high)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number at the top of a report: its name, its value, a note, and what is usual."""

    label: str
    value: str
    note: str
    band: Band | None = None


def key_figures(analysis: ChannelAnalysis) -> list[KeyFigure]:
    """Return the numbers for the top of a report, at most `MOST`."""
    return list(_key_figures(analysis))[:MOST]


def _key_figures(analysis: ChannelAnalysis) -> Iterator[KeyFigure]:
    growth, items = analysis.growth, analysis.items
    thing = noun(analysis.platform)
    if growth.present and growth.views.present:
        yield _views_figure(growth.views, _usual_views(analysis))
    if growth.present and growth.subscribers.present:
        found = growth.subscribers
        note = f"{subscriber_change(found)} in {subscriber_days(found)}"
        yield KeyFigure(audience(analysis.platform), short(found.last), note)
    elif growth.present and growth.gained.present:
        gained = growth.gained
        note = f"net, in {counted(gained.days, 'day')}"
        yield KeyFigure(f"{audience(analysis.platform)} gained", signed(gained.gained), note)
    else:
        yield from _last_read(analysis, "subscribers", audience(analysis.platform))
    yield from _owners(analysis)
    if items.present and not (growth.present and growth.views.present):
        known = "" if items.counted == items.listed else f" with known views of {items.listed:,}"
        note = f"of {counted(items.counted, thing)}{known}"
        yield KeyFigure("Views", short(items.views), note)
    elif not (growth.present and growth.views.present):
        yield from _last_read(analysis, "views", "Views")
    if analysis.cadence.present:
        cadence = analysis.cadence
        rate = cadence.rate
        note = f"{RHYTHMS[cadence.rhythm]}, {period(rate.first, rate.last)}"
        if cadence.quiet:
            note = f"{period(rate.first, rate.last)}; none since {day(cadence.last_at.date())}"
        yield KeyFigure(f"{thing.capitalize()}s a week", per_week(rate.per_week), note)
    if analysis.engagement.present and analysis.engagement.likes.present:
        likes = analysis.engagement.likes
        note = f"half of them {number(likes.lower_quartile)} to {number(likes.upper_quartile)}"
        band = Band.of("", likes.lower_quartile, likes.upper_quartile, likes.median)
        yield KeyFigure("Likes per 1,000 views", number(likes.median), note, band)
    yield from _milestone(analysis)
    if analysis.coverage.present and analysis.coverage.items_listed:
        listed, all_of_them = analysis.coverage.items_listed, analysis.coverage.items_counted
        note = f"of {all_of_them:,} on the channel" if all_of_them else "listed by the source"
        yield KeyFigure(f"{thing.capitalize()}s", f"{listed:,}", note)
    else:
        yield from _last_read(analysis, "items", f"{thing.capitalize()}s")


def _owners(analysis: ChannelAnalysis) -> Iterator[KeyFigure]:
    """Yield what only an owner knows: what was clicked, and for how long a view lasts."""
    found = analysis.owner
    if not (found.present and found.totals.present):
        return
    totals, span = found.totals.figures, owner_span(found)
    if totals.click_through is not None and totals.impressions:
        note = f"of {short(totals.impressions)} impressions, {span}"
        yield KeyFigure("Click-through", percent(totals.click_through), note)
    hours = "" if totals.watch_s is None else f"{short(totals.watch_s / 3600)} hours watched, "
    if totals.view_s is not None:
        watched = "" if totals.viewed is None else f"{percent(totals.viewed)} of it on average, "
        yield KeyFigure("Average view", clock(totals.view_s), f"{watched}{hours}{span}")
    elif totals.watch_s is not None:
        yield KeyFigure("Hours watched", short(totals.watch_s / 3600), span)


def _milestone(analysis: ChannelAnalysis) -> Iterator[KeyFigure]:
    """Yield the day on which the next round number of subscribers, or of views, is expected."""
    if not analysis.milestones.present:
        return
    expected = analysis.milestones.expected
    subscribers = [one for one in expected if one.counter == "subscribers"]
    for found in (subscribers or expected)[:1]:
        name = milestone_name(found, analysis.platform)
        span = (
            f"from {day(found.earliest)}"
            if found.latest is None
            else period(found.earliest, found.latest)
        )
        yield KeyFigure(name, day(found.day), f"at this pace; {found.level:.0%} interval {span}")


def _last_read(analysis: ChannelAnalysis, name: str, label: str) -> Iterator[KeyFigure]:
    """Yield the last value of a counter, if that is all that is known."""
    for found in analysis.coverage.counters if analysis.coverage.present else []:
        if found.name == name and found.last and found.last_day:
            yield KeyFigure(label, short(found.last), f"read on {day(found.last_day)}")


def _usual_views(analysis: ChannelAnalysis) -> Band | None:
    found = analysis.usual
    if not found.present:
        return None
    words = f"usual {short(found.low)} to {short(found.high)}"
    return Band.of(words, found.low, found.high, found.last_week)


def _views_figure(views: ViewGrowth, band: Band | None) -> KeyFigure:
    week = views.week
    if not week.present:
        note = f"median of {counted(views.days, 'day')}"
        return KeyFigure("Views a day", short(views.median), note)
    note = (
        "last 7 days; no clear change"
        if week.direction == "unclear"
        else f"last 7 days, {change(week.ratio)} on the 7 before"
    )
    return KeyFigure("Views a day", short(week.last_mean), note, band)
