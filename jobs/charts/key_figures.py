"""The numbers at the top of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.analysis.wording import audience, change, day, noun, number, short, signed
from jobs.charts.phrases import RHYTHMS, is_quiet, subscriber_change, subscriber_days
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.growth import ViewGrowth


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number at the top of a report: its name, its value, and a note."""

    label: str
    value: str
    note: str


def key_figures(analysis: ChannelAnalysis) -> list[KeyFigure]:
    """Return the numbers for the top of a report, at most four."""
    return list(_key_figures(analysis))[:4]


def _key_figures(analysis: ChannelAnalysis) -> Iterator[KeyFigure]:
    growth, items = analysis.growth, analysis.items
    thing = noun(analysis.platform)
    if growth.present and growth.views.present:
        yield _views_figure(growth.views)
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
    if items.present and not (growth.present and growth.views.present):
        known = "" if items.counted == items.listed else f" with known views of {items.listed:,}"
        note = f"of {counted(items.counted, thing)}{known}"
        yield KeyFigure("Views", short(items.views), note)
    elif not (growth.present and growth.views.present):
        yield from _last_read(analysis, "views", "Views")
    if analysis.cadence.present:
        cadence = analysis.cadence
        note = RHYTHMS[cadence.rhythm]
        if is_quiet(cadence):
            note += f" until {day(cadence.last_at.date())}, none since"
        yield KeyFigure(f"{thing.capitalize()}s a week", number(cadence.per_week), note)
    if analysis.engagement.present and analysis.engagement.likes.present:
        likes = analysis.engagement.likes
        note = f"half of them {number(likes.lower_quartile)} to {number(likes.upper_quartile)}"
        yield KeyFigure("Likes per 1,000 views", number(likes.median), note)
    if analysis.coverage.present and analysis.coverage.items_listed:
        listed, all_of_them = analysis.coverage.items_listed, analysis.coverage.items_counted
        note = f"of {all_of_them:,} on the channel" if all_of_them else "listed by the source"
        yield KeyFigure(f"{thing.capitalize()}s", f"{listed:,}", note)
    else:
        yield from _last_read(analysis, "items", f"{thing.capitalize()}s")


def _last_read(analysis: ChannelAnalysis, name: str, label: str) -> Iterator[KeyFigure]:
    """Yield the last value of a counter, if that is all that is known."""
    for found in analysis.coverage.counters if analysis.coverage.present else []:
        if found.name == name and found.last and found.last_day:
            yield KeyFigure(label, short(found.last), f"read on {day(found.last_day)}")


def _views_figure(views: ViewGrowth) -> KeyFigure:
    week = views.week
    if not week.present:
        note = f"median of {counted(views.days, 'day')}"
        return KeyFigure("Views a day", short(views.median), note)
    note = (
        "last 7 days; no clear change"
        if week.direction == "unclear"
        else f"last 7 days, {change(week.ratio)} on the 7 before"
    )
    return KeyFigure("Views a day", short(week.last_mean), note)
