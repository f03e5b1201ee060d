"""
What an analysis says, in sentences: what changed, why it matters, what could not be told.

Every number comes with what it rests on. Where nothing is clear, the sentence says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobs.analysis.formats import RECENT_DAYS as FORMATS_DAYS
from jobs.analysis.wording import (
    change,
    change_within,
    day,
    noun,
    number,
    period,
    short,
    signed,
    steps,
    times,
)
from jobs.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.cadence import Cadence, Rhythm
    from jobs.analysis.growth import (
        SubscriberGrowth,
        SubscribersGained,
        ViewGrowth,
        WeekChange,
    )
    from jobs.analysis.items import RankedItem
    from jobs.analysis.items_daily import DailyItem
    from jobs.analysis.milestones import MilestoneExpected, MilestoneReached
    from jobs.analysis.months import FourWeeks
    from jobs.records import Platform

RHYTHMS: Final[dict[Rhythm, str]] = {
    "like clockwork": "like clockwork",
    "regular": "at regular intervals",
    "irregular": "at irregular intervals",
    "in bursts": "in bursts",
}

_QUIET_GAPS = 3
_QUIET_DAYS = 7
_RECENT_DAYS = 30
_NEWS_DAYS = 60
_MOST_SENTENCES = 5
_SHIFT = 0.2
_FEWEST_SHIFTED = 10
_FEW_HITS = 0.3
_UNEVEN, _EVEN = 3.0, 1.5

_METHODS: Final = (
    (
        "All days and times are UTC. A day without a reading of the day before has no views of "
        "its own: gaps, falling counters and zeros that stand for “not read” never count as growth."
    ),
    (
        "Weeks are compared weekday by weekday, with a bootstrap interval widened for few values; "
        "four weeks by their weeks, with the interval of a ratio of sums. "
        "A trend is a Theil–Sen slope, its interval widened for days that resemble each other. "
        "Forecasts go on as before ({method}); their intervals come from the errors that the same "
        "method made on earlier days."
    ),
    (
        "“Like age”: {things} are compared only with the 20 nearest in age, by the median; one "
        "stands out when its views lie 3.5 robust standard deviations away."
    ),
    (
        "Recommendations rest on permutation tests among {things} of like age, corrected (Holm) "
        "for the number of questions asked. They compare what was published; they cannot prove a "
        "cause."
    ),
)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number at the top of a report: its name, its value, what to know about it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Caution:
    """What to know before any number is read: in a few words, and why."""

    lead: str
    text: str


def cautions(analysis: ChannelAnalysis) -> list[Caution]:
    """Return what holds of the whole report, and would mislead whoever does not know it."""
    found = list[Caution]()
    if analysis.generated:
        found.append(
            Caution(
                "Generated sample data.",
                "This channel does not exist: its numbers were made up by a program, to show what "
                "a report looks like.",
            )
        )
    if analysis.coverage.present and analysis.coverage.successes_only:
        things = f"{noun(analysis.platform)}s"
        found.append(
            Caution(
                f"Only {things} that did well.",
                f"The source lists {things} while they do well, and leaves them out when they do "
                "not: nothing here holds for the channel's others.",
            )
        )
    return found


def covered(analysis: ChannelAnalysis) -> str:
    """Return in one line which days and how much the analysis covers."""
    found = analysis.coverage
    if not found.present:
        return found.reason
    parts = [period(found.first_at.date(), found.last_at.date())]
    if found.days_observed:
        parts.append(f"{counted(found.days_observed, 'day')} of channel counters")
    if found.items_listed:
        parts.append(counted(found.items_listed, noun(analysis.platform)))
    return " · ".join(parts)


def key_figures(analysis: ChannelAnalysis) -> list[KeyFigure]:
    """Return the numbers to see first, at most four."""
    return list(_key_figures(analysis))[:4]


def what_changed(analysis: ChannelAnalysis) -> list[str]:
    """Return what is different from before, the most important first."""
    changes = list(islice(_what_changed(analysis), _MOST_SENTENCES))
    if not changes and analysis.cadence.present:
        newest = day(analysis.cadence.last_at.date())
        changes.append(f"The newest {noun(analysis.platform)} came out on {newest}.")
    return changes


def why_it_matters(analysis: ChannelAnalysis) -> list[str]:
    """Return what the state of the channel means for the days to come."""
    return list(islice(_why_it_matters(analysis), _MOST_SENTENCES))


def not_told(analysis: ChannelAnalysis) -> list[str]:
    """Return the reasons of all sections that are missing, each once."""
    growth, ahead, engagement = analysis.growth, analysis.forecast, analysis.engagement
    trends = analysis.trends
    with_views = growth.present and growth.views.present
    with_subscribers = growth.present and growth.subscribers.present
    with_likes = engagement.present and engagement.likes.present
    sections = [
        growth,
        *((growth.views, growth.subscribers) if growth.present else ()),
        *((growth.views.week,) if growth.present and growth.views.present else ()),
        *((analysis.months.before,) if with_views and analysis.months.present else ()),
        *((analysis.outliers, analysis.changes) if with_views else ()),
        *((trends.views,) if with_views and trends.present else ()),
        *((trends.subscribers,) if with_subscribers and trends.present else ()),
        *((trends.likes,) if with_likes and trends.present else ()),
        *((ahead.views,) if growth.present and ahead.present else ()),
        *((ahead.subscribers,) if with_subscribers and ahead.present else ()),
        *((analysis.milestones,) if growth.present else ()),
        analysis.items,
        *((analysis.items_daily,) if analysis.items.present else ()),
        *((analysis.next_day, analysis.reach) if analysis.items.present else ()),
        *((analysis.reach.change,) if analysis.items.present and analysis.reach.present else ()),
        analysis.formats,
        *((analysis.formats.comparison,) if analysis.formats.present else ()),
        analysis.catalogue,
        analysis.cadence,
        engagement,
        *((engagement.likes, engagement.comments) if engagement.present else ()),
    ]
    reasons = [section.reason for section in sections if not section.present]
    return list(dict.fromkeys(reasons))


def methods(analysis: ChannelAnalysis) -> list[str]:
    """Return how the numbers were made, for a reader who wants to know."""
    things, ahead = f"{noun(analysis.platform)}s", analysis.forecast
    told = ahead.views if ahead.present else ahead
    method = told.method if told.present else "where there is one"
    return [sentence.format(things=things, method=method) for sentence in _METHODS]


def milestone_name(found: MilestoneReached | MilestoneExpected, platform: Platform) -> str:
    """Return a milestone as “100K subscribers”."""
    things = f"{noun(platform)}s" if found.counter == "items" else found.counter
    return f"{short(found.value)} {things}"


def milestone_ahead(found: MilestoneExpected) -> str:
    """Return when it is expected: “around 3 May 2026 (80% interval 1 May – 6 May 2026)”."""
    if found.latest is None:
        return f"around {day(found.day)} (from {day(found.earliest)}, or much later)"
    return (
        f"around {day(found.day)} "
        f"({found.level:.0%} interval {period(found.earliest, found.latest)})"
    )


def subscriber_change(found: SubscriberGrowth) -> str:
    """
    Return the change as “+7,123”, or as far as a rounded counter tells.

    That is “+6,000 to +8,000”, or “up to +2,000” where it went one step.
    """
    if found.resolution == 1:
        return signed(found.change)
    # The bounds themselves are out of reach; round numbers one off read better.
    low, high = found.low - 1, found.high + 1
    if not low or not high:
        return f"up to {signed(low or high)}"
    return f"{signed(low)} to {signed(high)}"


def subscriber_days(found: SubscriberGrowth) -> str:
    """Return the time between the first and the last reading, in days."""
    return counted(max(1, round((found.last_at - found.first_at).total_seconds() / 86_400)), "day")


def _key_figures(analysis: ChannelAnalysis) -> Iterator[KeyFigure]:
    growth, items = analysis.growth, analysis.items
    thing = noun(analysis.platform)
    if growth.present and growth.views.present:
        yield _views_figure(growth.views)
    if growth.present and growth.subscribers.present:
        found = growth.subscribers
        note = f"{subscriber_change(found)} in {subscriber_days(found)}"
        yield KeyFigure("Subscribers", short(found.last), note)
    elif growth.present and growth.gained.present:
        gained = growth.gained
        note = f"net, in {counted(gained.days, 'day')}"
        yield KeyFigure("Subscribers gained", signed(gained.gained), note)
    else:
        yield from _last_read(analysis, "subscribers", "Subscribers")
    if items.present and not (growth.present and growth.views.present):
        known = "" if items.counted == items.listed else f" with known views of {items.listed:,}"
        note = f"of {counted(items.counted, thing)}{known}"
        yield KeyFigure("Views", short(items.views), note)
    elif not (growth.present and growth.views.present):
        yield from _last_read(analysis, "views", "Views")
    if analysis.cadence.present:
        cadence = analysis.cadence
        note = RHYTHMS[cadence.rhythm]
        if _quiet(cadence):
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
    """What a counter of the channel said last, where nothing more can be made of it."""
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


def _what_changed(analysis: ChannelAnalysis) -> Iterator[str]:
    growth = analysis.growth
    if growth.present and growth.views.present and growth.views.week.present:
        yield _week_sentence(growth.views.week)
    elif analysis.items_daily.present:
        yield _item_week_sentence(analysis.items_daily.items[0])
    yield from _four_weeks_sentences(analysis)
    yield from _trend_sentences(analysis)
    yield from _level_sentences(analysis)
    yield from _unusual_sentences(analysis)
    if growth.present and growth.subscribers.present:
        yield _subscriber_sentence(growth.subscribers)
    elif growth.present and growth.gained.present:
        yield _gained_sentence(growth.gained)
    yield from _milestone_sentences(analysis)
    if analysis.cadence.present and _quiet(analysis.cadence):
        found = analysis.cadence
        yield (
            f"Nothing was published for {number(round(found.silent_days))} days up to "
            f"{day(found.as_of.date())}; the usual pause is {_days(found.median_gap_days)}."
        )
    if analysis.items.present:
        fresh = (item for item in analysis.items.standouts if _fresh(item, analysis))
        yield from (f"{_standout(item)}." for item in islice(fresh, 1))
    yield from _format_sentences(analysis)
    yield from _likes_sentences(analysis)


def _four_weeks_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """What is clear of the last four weeks, as far as the sentence on the last one says it not."""
    found, growth = analysis.months, analysis.growth
    if not found.present:
        return
    week = growth.views.week if growth.present and growth.views.present else None
    told = week.direction if week is not None and week.present else "unclear"
    clear = [
        (one, against)
        for one, against in (
            (found.before, "the 28 before"),
            (found.year, "the same weeks a year before"),
        )
        if one.present and one.heading != "unclear" and (one is found.year or one.heading != told)
    ]
    if clear:
        first, _ = clear[0]
        extents = [_extent(one, against) for one, against in clear]
        yield f"Over the last 28 days, {short(first.mean)} views a day, {' and '.join(extents)}."


def _extent(found: FourWeeks, against: str) -> str:
    ratio, span = change_within(found.ratio, found.low, found.high)
    return f"{ratio} on {against} ({found.level:.0%} interval {span})"


def _trend_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """Where views are heading, unless the sentence on the last week says so already."""
    found, growth = analysis.trends, analysis.growth
    if not (found.present and found.views.present) or found.views.heading == "unclear":
        return
    trend = found.views
    week = growth.views.week if growth.present and growth.views.present else None
    if week is not None and week.present and week.direction == trend.heading:
        return
    verb = "risen" if trend.heading == "up" else "fallen"
    yield (
        f"Since {day(trend.first_day)} views a day have {verb} by {short(abs(trend.per_week))} a "
        f"week ({trend.level:.0%} interval {steps(trend.low, trend.high)})."
    )


def _format_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """A format that is published far more of late than it used to be."""
    found, things = analysis.formats, f"{noun(analysis.platform)}s"
    for one in found.formats if found.present else []:
        grown = (one.recent_share or 0.0) - one.share
        if grown >= _SHIFT and one.recent_items >= _FEWEST_SHIFTED:
            yield (
                f"{one.recent_share:.0%} of the {things} of the last {FORMATS_DAYS} days are "
                f"{one.name}, against {one.share:.0%} of all."
            )


def _likes_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    found = analysis.trends
    if not (found.present and found.likes.present) or found.likes.heading == "unclear":
        return
    trend, side = found.likes, "more" if found.likes.heading == "up" else "fewer"
    yield (
        f"Newer {noun(analysis.platform)}s get {side} likes: {steps(trend.low, trend.high)} per "
        f"1,000 views with each week since {day(trend.first_day)} ({trend.level:.0%} interval)."
    )


def _level_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """The last change of level, while it is news."""
    if not (analysis.changes.present and analysis.changes.points):
        return
    found = analysis.changes.points[-1]
    if (analysis.changes.last_day - found.day).days > _NEWS_DAYS:
        return
    side = "higher" if found.ratio > 1 else "lower"
    ratio, span = change_within(found.ratio, found.low, found.high)
    yield (
        f"Since {day(found.day)} views keep a {side} level: {short(found.after)} a day against "
        f"{short(found.before)} before, {ratio} ({found.level:.0%} interval {span})."
    )


def _unusual_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """The most unusual of the last days."""
    if not analysis.outliers.present:
        return
    end = analysis.outliers.last_day
    recent = [one for one in analysis.outliers.days if (end - one.day).days <= _RECENT_DAYS]
    if recent:
        found = max(recent, key=lambda one: abs(one.score))
        yield (
            f"{day(found.day)} stood out with {short(found.views)} views, "
            f"{times(found.ratio)} the {short(found.typical)} usual around it."
        )


def _milestone_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """The newest milestone, while it is news."""
    if not (analysis.milestones.present and analysis.coverage.present):
        return
    end = analysis.coverage.last_at.date()
    for found in analysis.milestones.reached[:1]:
        if (end - found.day).days <= _RECENT_DAYS:
            yield (
                f"The channel passed {milestone_name(found, analysis.platform)}, "
                f"first read on {day(found.day)}."
            )


def _week_sentence(week: WeekChange) -> str:
    ratio, span = change_within(week.ratio, week.low, week.high)
    interval = f"{week.level:.0%} interval {span}"
    level = f"{short(week.last_mean)} a day in the 7 days up to {day(week.last_day)}"
    if week.direction == "unclear":
        return (
            f"Views show no clear change: {level}, {ratio} on the 7 days before, "
            f"which may be chance ({interval})."
        )
    verb = "rose" if week.direction == "up" else "fell"
    return f"Views {verb} to {level}, {ratio} on the 7 days before ({interval})."


def _item_week_sentence(found: DailyItem) -> str:
    """Of the item that brings most, where nothing is known of the channel as a whole."""
    gained = (
        f"“{found.title}” gained {short(found.last_week)} views in the 7 days up to "
        f"{day(found.last_day)}"
    )
    week = found.week
    if not week.present:
        return f"{gained}."
    ratio, span = change_within(week.ratio, week.low, week.high)
    chance = ", which may be chance" if week.direction == "unclear" else ""
    return f"{gained}, {ratio} on the 7 days before{chance} ({week.level:.0%} interval {span})."


def _subscriber_sentence(found: SubscriberGrowth) -> str:
    over = f"in {subscriber_days(found)}"
    if found.direction == "unclear":
        if found.resolution == 1:
            return f"Subscribers are where they were: {number(found.last)}, no change {over}."
        return (
            f"Subscribers show no change {over} that the counter, rounded to "
            f"{number(found.resolution)}, could tell: about {short(found.last)}."
        )
    verb = "grew" if found.direction == "up" else "fell"
    extent = subscriber_change(found)
    rounded = "" if found.resolution == 1 else f" (the source rounds to {number(found.resolution)})"
    return f"Subscribers {verb} to {short(found.last)}: {extent} {over}{rounded}."


def _gained_sentence(found: SubscribersGained) -> str:
    return (
        f"{signed(found.gained)} subscribers, net, in {counted(found.days, 'day')} up to "
        f"{day(found.last_day)}: {signed(found.last_week)} in the last 7."
    )


def _fresh(item: RankedItem, analysis: ChannelAnalysis) -> bool:
    """Whether *item* is new where the data ends: it may have been read once, long before."""
    if item.published_at is None or not analysis.coverage.present:
        return False
    return (analysis.coverage.last_at - item.published_at).days <= _RECENT_DAYS


def _standout(item: RankedItem) -> str:
    when = "" if item.published_at is None else f" ({day(item.published_at.date())})"
    return f"“{item.title}”{when} reached {times(item.ratio or 0)} the views usual here at its age"


def _why_it_matters(analysis: ChannelAnalysis) -> Iterator[str]:
    things = f"{noun(analysis.platform)}s"
    ahead, items = analysis.forecast, analysis.items
    if ahead.present and ahead.views.present:
        views = ahead.views
        yield (
            f"If nothing changes, the next 7 days bring about {short(views.week)} views "
            f"({views.level:.0%} interval {short(views.week_low)} to {short(views.week_high)})."
        )
    yield from _next_milestone(analysis)
    yield from _next_day(analysis)
    yield from _share_of_old(analysis)
    yield from _few_hits(analysis)
    if (
        items.present
        and items.standouts
        and not any(_fresh(item, analysis) for item in items.standouts)
    ):
        yield f"{_standout(items.standouts[0])}: worth a look at what it did differently."
    if analysis.cadence.present and not _quiet(analysis.cadence):
        found = analysis.cadence
        yield (
            f"New {things} keep coming, about {number(found.per_week)} a week, "
            f"{RHYTHMS[found.rhythm]}; the usual pause is {_days(found.median_gap_days)}."
        )


def _next_milestone(analysis: ChannelAnalysis) -> Iterator[str]:
    if not analysis.milestones.present:
        return
    subscribers = [one for one in analysis.milestones.expected if one.counter == "subscribers"]
    for found in subscribers or analysis.milestones.expected[:1]:
        name = milestone_name(found, analysis.platform)
        yield f"At its present pace the channel has {name} {milestone_ahead(found)}."


def _next_day(analysis: ChannelAnalysis) -> Iterator[str]:
    """What the item that gathers most is expected to bring."""
    found = analysis.next_day
    if found.present:
        first, until = found.items[0], day((found.as_of + timedelta(days=1)).date())
        more, low, high = (short(x - first.views) for x in (first.expected, first.low, first.high))
        yield (
            f"“{first.title}” gained {short(first.gained)} views in the last day and should gain "
            f"about {more} more by {until} ({found.level:.0%} interval {low} to {high})."
        )


def _share_of_old(analysis: ChannelAnalysis) -> Iterator[str]:
    found = analysis.catalogue
    # Where nothing new came out, all views go to old ones, and that is no finding.
    if found.present and found.new_items:
        yield (
            f"{found.share:.0%} of new views go to {noun(analysis.platform)}s older than "
            f"{found.old_days} days ({found.level:.0%} interval {found.low:.0%} to "
            f"{found.high:.0%})."
        )


def _few_hits(analysis: ChannelAnalysis) -> Iterator[str]:
    items, things = analysis.items, f"{noun(analysis.platform)}s"
    if not items.present or items.top_share is None:
        return
    top = f"the {len(items.top)} most viewed of {items.counted:,} {things}"
    bring = f"{top} bring {items.top_share:.0%} of all views listed"
    over = items.top_share * items.counted / len(items.top)
    if items.top_share >= _FEW_HITS and over >= _UNEVEN:
        yield f"The channel leans on few hits: {bring}."
    elif over < _EVEN:
        yield f"Reach is spread evenly: {bring}."
    else:
        yield f"Some {things} carry more than others: {bring}."


def _quiet(found: Cadence) -> bool:
    return found.silent_days > max(_QUIET_DAYS, _QUIET_GAPS * found.median_gap_days)


def _days(days: float) -> str:
    if days < 1:
        hours = number(round(24 * days))
        return "one hour" if hours == "1" else f"{hours} hours"
    return "one day" if number(days) in {"1", "1.0"} else f"{number(days)} days"
