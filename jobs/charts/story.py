"""
An analysis in sentences: what to know first, why it matters, what could not be found out.

Every number comes with its evidence. If nothing is clear, the sentence says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobs.analysis.owner_figures import FEWEST_IMPRESSIONS
from jobs.analysis.wording import day, noun, number, percent, period, short, times, with_days
from jobs.charts.phrases import (
    RHYTHMS,
    clock_of,
    is_fresh,
    milestone_ahead,
    milestone_name,
    often,
    owner_span,
    pause,
    rate_basis,
    standout,
)
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis, Missing
    from jobs.analysis.owner_figures import OwnerFigures
    from jobs.analysis.section import Section

_MOST_SENTENCES = 5
_FEW_HITS = 0.3
_FEWEST_BROUGHT: Final = 5
"""Of fewer subscribers, to say which video brought most says little."""

_UNEVEN, _EVEN = 3.0, 1.5
_METHODS: Final = (
    (
        "Days of daily views are {clock}, all other days and times UTC{publications}. A day "
        "without a reading of the day before has no views of its own: gaps, falling counters and "
        "zeros that stand for “not read” never count as growth."
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
class Caution:
    """What to know before reading any number: in a few words, and why."""

    lead: str
    text: str


def cautions(analysis: ChannelAnalysis) -> list[Caution]:
    """Return what is true of the whole report, and misleads a reader who does not know it."""
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
    if analysis.coverage.present:
        found += [
            Caution("What was read.", f"{clause[:1].upper()}{clause[1:]}.")
            for clause in map(with_days, analysis.coverage.cautions)
        ]
    return found


def covered(analysis: ChannelAnalysis) -> str:
    """Return in one line the days and the amount of data that the analysis covers."""
    found = analysis.coverage
    if not found.present:
        return found.reason
    parts = [period(found.first_at.date(), found.last_at.date())]
    if found.days_observed:
        parts.append(f"{counted(found.days_observed, 'day')} of channel counters")
    elif analysis.growth.present and analysis.growth.views.present:
        parts.append(f"{counted(analysis.growth.views.days, 'day')} of views")
    if found.items_listed:
        parts.append(counted(found.items_listed, noun(analysis.platform)))
    return " · ".join(parts)


def why_it_matters(analysis: ChannelAnalysis) -> list[str]:
    """Return what the state of the channel means for the days to come."""
    return list(islice(_why_it_matters(analysis), _MOST_SENTENCES))


def missing_reasons(analysis: ChannelAnalysis) -> list[str]:
    """Return the reasons of all missing sections, each once."""
    growth, ahead, engagement = analysis.growth, analysis.forecast, analysis.engagement
    trends = analysis.trends
    with_views = growth.present and growth.views.present
    with_subscribers = growth.present and growth.subscribers.present
    with_likes = engagement.present and engagement.likes.present
    listed = analysis.coverage.present and analysis.coverage.items_listed
    sections = [
        growth,
        *((growth.views, growth.subscribers) if growth.present else ()),
        *((growth.views.week,) if growth.present and growth.views.present else ()),
        *((analysis.months.before,) if with_views and analysis.months.present else ()),
        *((analysis.usual, analysis.outliers, analysis.changes) if with_views else ()),
        *((trends.views,) if with_views and trends.present else ()),
        *((trends.subscribers,) if with_subscribers and trends.present else ()),
        *((trends.likes,) if with_likes and trends.present else ()),
        *((ahead.views,) if growth.present and ahead.present else ()),
        *((ahead.subscribers,) if with_subscribers and ahead.present else ()),
        *((analysis.milestones,) if growth.present else ()),
        *_of_owner(analysis),
        analysis.items,
        *((analysis.items_daily,) if analysis.items.present else ()),
        *((analysis.next_day, analysis.reach) if analysis.items.present else ()),
        *((analysis.reach.change,) if analysis.items.present and analysis.reach.present else ()),
        *((analysis.formats,) if listed else ()),
        *((analysis.formats.comparison,) if analysis.formats.present else ()),
        *((analysis.catalogue, analysis.cadence, engagement) if listed else ()),
        *((engagement.likes, engagement.comments) if engagement.present else ()),
    ]
    reasons = [section.reason for section in sections if not section.present]
    return list(dict.fromkeys(reasons))


def _of_owner(analysis: ChannelAnalysis) -> tuple[Section | Missing, ...]:
    """An owner's figures that are missing where there are others; without any nobody asks."""
    found, growth = analysis.owner, analysis.growth
    if not found.present:
        return ()
    with_days = growth.present and growth.views.present
    of_items = (found.clicks, found.held, found.brought) if analysis.items.present else ()
    return (found.totals, *of_items, *((found.explained,) if with_days else ()))


def methods(analysis: ChannelAnalysis) -> list[str]:
    """Return how the numbers were computed."""
    things, ahead = f"{noun(analysis.platform)}s", analysis.forecast
    found = ahead.views if ahead.present else ahead
    method = found.method if found.present else "where there is one"
    clock = clock_of(analysis)
    zone = analysis.cadence.zone if analysis.cadence.present else "UTC"
    publications = "" if zone == "UTC" else f"; weekdays and hours of publication are {zone}"
    words = {"things": things, "method": method, "clock": clock, "publications": publications}
    return [sentence.format(**words) for sentence in _METHODS]


def _why_it_matters(analysis: ChannelAnalysis) -> Iterator[str]:
    things = f"{noun(analysis.platform)}s"
    ahead, items = analysis.forecast, analysis.items
    if ahead.present and ahead.views.present:
        views = ahead.views
        yield (
            f"The next 7 days should bring about {short(views.week)} views"
            f"{_after(analysis)} ({views.level:.0%} interval {short(views.week_low)} to "
            f"{short(views.week_high)})."
        )
    yield from _next_milestone(analysis)
    yield from _owners(analysis)
    yield from _next_day(analysis)
    yield from _share_of_old(analysis)
    yield from _few_hits(analysis)
    if (
        items.present
        and items.standouts
        and not any(is_fresh(item, analysis) for item in items.standouts)
    ):
        yield f"{standout(items.standouts[0])}: worth a look at what it did differently."
    if analysis.cadence.present and not analysis.cadence.quiet:
        found = analysis.cadence
        rate = often(found, analysis.platform)
        come = "comes" if rate.startswith(("one ", "1 ", "no ")) else "come"
        yield (
            f"About {rate} {come} out ({rate_basis(found)}), {RHYTHMS[found.rhythm]}; half of the "
            f"{things} within {pause(found.median_gap_days)} of the one before."
        )


def _after(analysis: ChannelAnalysis) -> str:
    """Return what the last week brought, so that a forecast has something beside it."""
    growth = analysis.growth
    week = growth.views.week if growth.present and growth.views.present else None
    if week is None or not week.present:
        return ""
    return f", after {short(7 * week.last_mean)} in the last 7"


def _next_milestone(analysis: ChannelAnalysis) -> Iterator[str]:
    if not analysis.milestones.present:
        return
    subscribers = [one for one in analysis.milestones.expected if one.counter == "subscribers"]
    for found in subscribers or analysis.milestones.expected[:1]:
        name = milestone_name(found, analysis.platform)
        yield f"At its present pace the channel has {name} {milestone_ahead(found)}."


def _owners(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield what is clicked, what holds viewers and what brings subscribers, with the span."""
    found, things = analysis.owner, f"{noun(analysis.platform)}s"
    if not found.present:
        return
    span = owner_span(found)
    if found.clicks.present and found.clicks.best:
        clicks, best = found.clicks, found.clicks.best[0]
        yield (
            f"“{best.title}” earned a click on {percent(best.value)} of {short(best.of)} "
            f"impressions, {times(best.ratio)} the {percent(clicks.median)} usual here (the middle "
            f"of {clicks.items:,} {things} shown {FEWEST_IMPRESSIONS:,} times or more, {span})."
        )
    yield from _viewers(found, span)
    if found.held.present and found.held.best:
        best = found.held.best[0]
        yield (
            f"“{best.title}” holds its viewers: {percent(best.value)} of it is watched on average, "
            f"{times(best.ratio)} what is usual for {things} of like length ({short(best.of)} "
            f"views, {span})."
        )
    if (
        found.brought.present
        and found.brought.best
        and found.brought.best[0].value >= _FEWEST_BROUGHT
    ):
        brought, best = found.brought, found.brought.best[0]
        of = (
            f"; {brought.total:,} in all came to the channel"
            if brought.total and brought.total != brought.known
            else ""
        )
        yield (
            f"“{best.title}” brought most subscribers, {best.value:,.0f} of the "
            f"{'net ' if brought.net else ''}{brought.known:,} that {brought.items:,} {things} "
            "brought "
            f"({number(brought.per_thousand)} per 1,000 views, {span}{of})."
        )


def _viewers(found: OwnerFigures, span: str) -> Iterator[str]:
    """Yield who came back, and how many stayed, where the owner's export says it."""
    totals = found.totals.figures if found.totals.present else None
    if totals is None:
        yield from _returning(found)
        return
    if totals.new_viewers and totals.returning_viewers:
        yield (
            f"{short(totals.returning_viewers)} returning viewers beside "
            f"{short(totals.new_viewers)} new ones ({span})."
        )
    else:
        yield from _returning(found)
    if totals.stayed is not None:
        yield f"{percent(totals.stayed)} stayed to watch, the others swiped away ({span})."


def _returning(found: OwnerFigures) -> Iterator[str]:
    """Yield how many of a day's viewers are not new, as far as days tell it."""
    if found.returning.present:
        days = found.returning
        moved = f", {percent(days.before)} in the 7 before"
        chance = "" if days.alike else ", which may be chance"
        yield (
            f"Of a day's viewers {percent(days.share)} had watched before{moved}{chance} "
            f"({short(days.new + days.known)} viewers a day in the 7 days up to "
            f"{day(days.last_day)})."
        )


def _next_day(analysis: ChannelAnalysis) -> Iterator[str]:
    """Yield what the item that gathers most is expected to bring."""
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
    # Without new items all views go to old ones, which is no finding.
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
