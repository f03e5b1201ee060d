"""
What is different from before, in sentences, the most important first.

Every number comes with its evidence. If nothing is clear, the sentence says so.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from jobs.analysis.formats import RECENT_DAYS as FORMATS_DAYS
from jobs.analysis.wording import (
    change_within,
    day,
    noun,
    number,
    percent,
    short,
    signed,
    step,
    steps,
    times,
)
from jobs.charts.phrases import (
    RECENT_DAYS,
    is_fresh,
    milestone_name,
    pause,
    standout,
    subscriber_change,
    subscriber_days,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.growth import SubscriberGrowth, SubscribersGained, WeekChange
    from jobs.analysis.items_daily import DailyItem
    from jobs.analysis.months import FourWeeks

_NEWS_DAYS = 60
_MOST_SENTENCES = 5
_SHIFT = 0.2
_FEWEST_SHIFTED = 10


def what_changed(analysis: ChannelAnalysis) -> list[str]:
    """Return what is different from before, the most important first."""
    changes = list(islice(_what_changed(analysis), _MOST_SENTENCES))
    if not changes and analysis.cadence.present:
        newest = day(analysis.cadence.last_at.date())
        changes.append(f"The newest {noun(analysis.platform)} came out on {newest}.")
    return changes


def _what_changed(analysis: ChannelAnalysis) -> Iterator[str]:
    growth = analysis.growth
    if growth.present and growth.views.present and growth.views.week.present:
        yield _week_sentence(growth.views.week)
        yield from _explained_sentences(analysis, growth.views.week)
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
    if analysis.cadence.present and analysis.cadence.quiet:
        found = analysis.cadence
        yield (
            f"Nothing was published for {number(round(found.silent_days))} days up to "
            f"{day(found.as_of.date())}; half of the pauses before were at most "
            f"{pause(found.median_gap_days)}."
        )
    if analysis.items.present:
        fresh = (item for item in analysis.items.standouts if is_fresh(item, analysis))
        yield from (f"{standout(item)}." for item in islice(fresh, 1))
    yield from _format_sentences(analysis)
    yield from _likes_sentences(analysis)


def _explained_sentences(analysis: ChannelAnalysis, week: WeekChange) -> Iterator[str]:
    """Yield what a clear change of the week is made of, where an owner's days tell it."""
    owner = analysis.owner
    if not (owner.present and owner.explained.present) or week.direction == "unclear":
        return
    found = owner.explained
    if found.last_day != week.last_day:
        return
    shown, rates = found.impressions, found.click_through
    yield (
        f"Of the {step(found.after - found.before)} views a day, {step(found.by_impressions)} come "
        f"from impressions ({short(shown[1])} a day, {short(shown[0])} before), "
        f"{step(found.by_clicks)} from their click-through ({percent(rates[1])}, "
        f"{percent(rates[0])} before) and {step(found.by_others)} from views without an impression "
        f"({found.days} weekdays of the 7 days up to {day(found.last_day)} and the 7 before)."
    )


def _four_weeks_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield the clear changes of the last four weeks that the sentence on the last one lacks."""
    found, growth = analysis.months, analysis.growth
    if not found.present:
        return
    week = growth.views.week if growth.present and growth.views.present else None
    of_week = week.direction if week is not None and week.present else "unclear"
    clear = [
        (one, against)
        for one, against in (
            (found.before, "the 28 before"),
            (found.year, "the same weeks a year before"),
        )
        if one.present
        and one.heading != "unclear"
        and (one is found.year or one.heading != of_week)
    ]
    if clear:
        first, _ = clear[0]
        extents = [_extent(one, against) for one, against in clear]
        yield f"Over the last 28 days, {short(first.mean)} views a day, {' and '.join(extents)}."


def _extent(found: FourWeeks, against: str) -> str:
    ratio, span = change_within(found.ratio, found.low, found.high)
    return f"{ratio} on {against} ({found.level:.0%} interval {span})"


def _trend_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield the trend of views, unless the sentence on the last week says the same."""
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
    """Yield a format that is published far more than before."""
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
    """Yield the last change of level, if it is news."""
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
    """Yield the most unusual of the last days, and when the platform itself counted late."""
    if not analysis.outliers.present:
        return
    end = analysis.outliers.last_day
    recent = [one for one in analysis.outliers.days if (end - one.day).days <= RECENT_DAYS]
    if recent:
        found = max(recent, key=lambda one: abs(one.score))
        yield (
            f"{day(found.day)} stood out with {short(found.views)} views, "
            f"{times(found.ratio)} the {short(found.typical)} usual around it."
        )
    late = [
        one
        for one in analysis.outliers.platform
        if one.late and (end - one.day).days <= RECENT_DAYS
    ]
    if late:
        latest = min(late, key=lambda one: one.factor)
        yield (
            f"On {day(latest.day)} the counter was late everywhere: half of {latest.channels:,} "
            f"channels read {latest.factor:.0%} of their usual views or less; the rest came later."
        )


def _milestone_sentences(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield the newest milestone, if it is news."""
    if not (analysis.milestones.present and analysis.coverage.present):
        return
    end = analysis.coverage.last_at.date()
    for found in analysis.milestones.reached[:1]:
        if (end - found.day).days <= RECENT_DAYS:
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
    """Describe the item that brings most, if nothing is known of the channel as a whole."""
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
