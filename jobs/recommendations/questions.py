"""
The questions about a channel's items: which day, hour, pace, format, length or topic does better?

Each question splits the comparable items into members (published on a Sunday, say) and others.
It is asked only if both sides have at least `FEWEST` items; results play no part in that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from jobs.analysis.cadence import recent_publications, weekdays
from jobs.analysis.formats import SHORT_S
from jobs.analysis.local_time import are_days, local, zone_of
from jobs.analysis.wording import WEEKDAYS, noun, number
from jobs.recommendations.sample import Sample, sample
from jobs.recommendations.topics import topics
from jobs.recommendations.weeks import weeks
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from jobs.channel.data import ChannelData
    from jobs.channel.records import ChannelRecord

FEWEST = 5
FEWEST_ITEMS = 20
HOURS = 4
"""Width of a block of publish hours, wide enough to tolerate daylight saving time."""

UNLIKE = 1.5
"""Long pauses must be at least this many times as long as short ones for the question."""

_DAY = np.timedelta64(1, "D")
_MINUTE = 60.0
_LENGTHS: tuple[tuple[float, float, str], ...] = (
    (0, 1, "of up to a minute"),
    (1, 3, "of 1 to 3 minutes"),
    (3, 10, "of 3 to 10 minutes"),
    (10, 20, "of 10 to 20 minutes"),
    (20, 60, "of 20 to 60 minutes"),
    (60, np.inf, "of more than an hour"),
)

Subject = Literal["weekday", "hour", "rate", "pause", "format", "length", "topic"]


@dataclass(frozen=True, slots=True)
class Question:
    """
    One split. *members* completes “videos … reach more views”, *do* and *avoid* advise.

    *units* names what is split, items if empty. *note* is a sentence to add to the evidence.
    """

    subject: Subject
    key: str
    members: str
    do: str
    avoid: str
    belongs: NDArray[np.bool_]
    units: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """Questions about the same sample, which can be tested together."""

    sample: Sample
    questions: tuple[Question, ...]


def rounds(data: ChannelData) -> list[Round]:
    """
    Return all questions that *data* has enough comparable items for; often none.

    Never ask about a list of successes: it lacks the failures, so a choice that succeeds rarely
    but greatly would look better than it is.
    """
    if data.channel.successes_only:
        return []
    timing, every = sample(data.items, by_format=True), sample(data.items, by_format=False)
    lengths = every.only(~np.isnan(every.duration_s))
    streams = every.only(~np.isnan(every.live))
    recent = recent_publications(data)
    things = f"{noun(data.channel.platform)}s"
    asked = [
        (
            timing,
            (
                *_weekday(timing, data.channel),
                *_hour(timing, data.channel),
                *_topic(timing, things),
            ),
        ),
        _pause(timing, recent, things),
        (streams, tuple(_live(streams, things))),
        (lengths, (*_short(lengths, things), *_length(lengths, things))),
    ]
    of_items = [(of, questions) for of, questions in asked if of.score.size >= FEWEST_ITEMS]
    return [
        Round(of, kept)
        for of, questions in (*of_items, *_rate(data, timing, things))
        if (kept := tuple(filter(_balanced, questions)))
    ]


def _balanced(question: Question) -> bool:
    members = int(np.count_nonzero(question.belongs))
    return min(members, question.belongs.size - members) >= FEWEST


def _weekday(of: Sample, channel: ChannelRecord) -> Iterator[Question]:
    days = weekdays(local(of.published_at, channel))
    for i, name in enumerate(WEEKDAYS):
        yield Question(
            subject="weekday",
            key=f"weekday:{name.lower()}",
            members=f"published on a {name}",
            do=f"Publish on {name}s when you can choose.",
            avoid=f"Prefer other days to {name}.",
            belongs=days == i,
        )


def _hour(of: Sample, channel: ChannelRecord) -> Iterator[Question]:
    if are_days(of.published_at):
        return
    clock = local(of.published_at, channel)
    hours = (clock - clock.astype("datetime64[D]")) // np.timedelta64(1, "h")
    for start in range(0, 24, HOURS):
        span = f"{start:02d}:00 and {(start + HOURS) % 24:02d}:00 {zone_of(channel)}"
        yield Question(
            subject="hour",
            key=f"hour:{start:02d}",
            members=f"published between {span}",
            do=f"Publish between {span} when you can choose.",
            avoid=f"Prefer other hours to those between {span}.",
            belongs=(hours >= start) & (hours < start + HOURS),
        )


def _rate(
    data: ChannelData, timing: Sample, things: str
) -> Iterator[tuple[Sample, tuple[Question, ...]]]:
    """Yield the question about items per week; its units are whole weeks, not items."""
    found = weeks(data, timing)
    if found is None:
        return
    more = f"more than {counted(found.limit, things.removesuffix('s'))}"
    question = Question(
        subject="rate",
        key="rate:busy",
        members=f"of weeks with {more}",
        do=f"Publish {more} a week when you can: in such weeks each reaches more.",
        avoid=f"Where it counts what each {things.removesuffix('s')} reaches, publish at most "
        f"{found.limit} a week.",
        belongs=found.busy,
        units="week",
        note=f"Such weeks had {number(found.per_busy)} {things} on average, "
        f"the others {number(found.per_other)}.",
    )
    yield found.sample, (question,)


def _pause(
    of: Sample, recent: NDArray[np.datetime64], things: str
) -> tuple[Sample, tuple[Question, ...]]:
    """Return the question about pauses, which are known only where the list has no holes."""
    places = np.searchsorted(recent, of.published_at)
    known = np.zeros(of.score.size, dtype=bool)
    if recent.size:
        known = (places > 0) & (of.published_at <= recent[-1])
    within = of.only(known)
    if not known.any():
        return within, ()
    places = places[known]
    pauses = (recent[places] - recent[places - 1]) / _DAY
    limit = float(np.median(pauses))
    long = pauses > limit
    # If all pauses are alike, “more than 7 days” would only split a week from a week and a minute.
    if not long.any() or np.median(pauses[long]) < UNLIKE * np.median(pauses[~long]):
        return within, ()
    span = _span(limit)
    question = Question(
        subject="pause",
        key="pause:long",
        members=f"that follow a pause of more than {span}",
        do=f"Leave more than {span} between two {things}.",
        avoid=f"Keep the pace: publish the next within {span}.",
        belongs=long,
    )
    return within, (question,)


def _live(of: Sample, things: str) -> Iterator[Question]:
    yield Question(
        subject="format",
        key="format:live",
        members="broadcast live",
        do=f"Broadcast more {things} live.",
        avoid=f"Broadcast fewer {things} live.",
        belongs=of.live > 0,
    )


def _short(of: Sample, things: str) -> Iterator[Question]:
    yield Question(
        subject="format",
        key="format:short",
        members=f"of up to {number(SHORT_S / _MINUTE)} minutes",
        do=f"Make more short {things}, of up to {number(SHORT_S / _MINUTE)} minutes.",
        avoid=f"Make more {things} that are longer than {number(SHORT_S / _MINUTE)} minutes.",
        belongs=of.duration_s <= SHORT_S,
    )


def _topic(of: Sample, things: str) -> Iterator[Question]:
    for topic in topics(of.titles, of.tags, FEWEST):
        yield Question(
            subject="topic",
            key=f"topic:{topic.name}",
            # The words only show how the items are named; the reader judges what they are about.
            members=f"named or tagged “{topic.name}”",
            do=f"Make more {things} like those named or tagged “{topic.name}”.",
            avoid=f"Make fewer {things} like those named or tagged “{topic.name}”.",
            belongs=topic.belongs,
        )


def _length(of: Sample, things: str) -> Iterator[Question]:
    minutes = of.duration_s / _MINUTE
    for low, high, name in _LENGTHS:
        yield Question(
            subject="length",
            key=f"length:{number(low)}-{'' if np.isinf(high) else number(high)}",
            members=name,
            do=f"Make more {things} {name}.",
            avoid=f"Make fewer {things} {name}.",
            belongs=(minutes > low) & (minutes <= high),
        )


def _span(days: float) -> str:
    value, unit = (number(days), "day") if days >= 1 else (number(24 * days), "hour")
    return f"{value} {unit}{'' if value in {'1', '1.0'} else 's'}"
