"""
What the sentences of a report claim, and where two of them contradict each other.

A claim is a fact with the range of values that its printed digits stand for: “4.7 videos a week” is
anything from 4.65 to 4.75. Two claims of one fact must have a value in common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobs.channel.data import ChannelData
    from jobs.charts.document import Document

_N: Final = r"([−+-]?\d[\d,]*(?:\.\d+)?[KMB]?)"
_THINGS: Final = r"(?:videos?|episodes?|streams?|items?)"
_REACH: Final = r"(?:views|downloads)"
_DAY: Final = r"(\d{1,2} [A-Z][a-z]{2} \d{4})"
_UNITS: Final = {"K": 1e3, "M": 1e6, "B": 1e9}

_NUMBERS: Final = {
    "items a week": (
        rf"(?<!more than ){_N} {_THINGS} a week",
        rf"{_THINGS} a week: {_N}",
        rf"{_THINGS} per week over [^:]*: {_N} on average",
        rf"the counter says {_N}",
    ),
    "weeks for an item": (rf"one {_THINGS} in {_N} weeks",),
    "reach a day in the last week": (
        rf"{_REACH} a day: {_N} \(last 7 days",
        rf"{_N} a day in the 7 days up to",
        rf"{_N} {_REACH} a day in the last week",
        rf"^views .*[^:]: {_N} a day(?:,|$)",
        rf"^views (?:rose|fell) to {_N} a day",
    ),
    "percent from week to week": (
        r"([−+±]\d[\d,]*)% on the (?:7 before|7 days before|week before)",
    ),
    "reach of the next week": (
        rf"next 7 days bring about {_N} {_REACH}",
        rf"next seven days: {_N} {_REACH}",
    ),
    "followers now": (
        rf"^(?:subscribers|followers): {_N} \(",
        rf"(?:subscribers|followers) (?:grew|fell) to {_N}:",
        rf"(?:subscribers|followers) are where they were: {_N},",
        rf"^{_N} (?:subscribers|followers): .* in [\d,]+ days?$",
        rf"(?:subscribers|followers), \d+ readings: from [\d,]+ to {_N},",
    ),
    "followers gained": (
        rf"(?:subscribers|followers) gained: {_N} \(net",
        rf"{_N} (?:subscribers|followers), net, in",
    ),
    "items listed": (
        rf"^{_THINGS}: {_N} \(",
        rf"· {_N} {_THINGS}(?: ·|$)",
        rf"the source lists {_N} of the channel's",
    ),
    "items counted": (
        rf"^{_THINGS}: [\d,.KM]+ \(of {_N} on the channel",
        rf"of the channel's {_N} {_THINGS}",
    ),
    "percent of the most viewed": (rf"the \d+ most \w+ of [\d,]+ {_THINGS} bring {_N}% of all",),
    "percent of new views for old items": (
        rf"{_N}% of new {_REACH} go to",
        rf"bring {_N}% of new {_REACH}",
        rf"{_N}% went to {_THINGS} older",
    ),
    "days of the highest": (rf"the highest day, .*, {_N} {_REACH}",),
}
_DAYS: Final = {
    "last day of views": (rf"\b7 days up to {_DAY}",),
    "last day of gained followers": (rf"net, in [\d,]+ days? up to {_DAY}",),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A *fact* and its value, between *low* and *high*, as *sentence* has it."""

    fact: str
    low: float
    high: float
    sentence: str

    def agrees(self, other: Claim) -> bool:
        """Return whether both may be true of one value."""
        slack = 1e-9 * max(abs(self.high), abs(other.high))
        return self.low <= other.high + slack and other.low <= self.high + slack


def contradictions(sentences: Iterable[str], known: Sequence[Claim] = ()) -> list[str]:
    """Return each pair of sentences that cannot both be true, or not together with *known*."""
    claims = [*known, *(claim for sentence in sentences for claim in claims_of(sentence))]
    return [
        f"{one.fact}: “{one.sentence}” against “{other.sentence}”"
        for one, other in combinations(claims, 2)
        if one.fact == other.fact and not one.agrees(other)
    ]


def claims_of(sentence: str) -> Iterator[Claim]:
    """Yield what *sentence* claims."""
    for fact, patterns in _NUMBERS.items():
        for pattern in patterns:
            for found in re.finditer(pattern, sentence, re.IGNORECASE):
                low, high = _range(found[1])
                if fact == "weeks for an item":  # the same fact the other way round
                    yield Claim("items a week", 1 / high, 1 / max(low, 0.5), sentence)
                else:
                    yield Claim(fact, low, high, sentence)
    for fact, patterns in _DAYS.items():
        for pattern in patterns:
            for found in re.finditer(pattern, sentence):
                when = datetime.strptime(found[1], "%d %b %Y").replace(tzinfo=UTC).toordinal()
                yield Claim(fact, when, when, sentence)


def sentences_of(document: Document) -> list[str]:
    """Return every text of *document* that says something of the channel."""
    found = [
        document.headline,
        document.covered,
        document.why_none,
        *document.notes,
        *document.not_told,
    ]
    found += [f"{one.lead} {one.text}" for one in document.cautions]
    found += [f"{one.label}: {one.value} ({one.note})" for one in document.key_figures]
    found += [*document.what_changed, *document.why_it_matters]
    for advice in document.advice:
        found += [advice.title, advice.sentence]
    for figure in document.figures:
        found += [figure.title, figure.reading, figure.alt]
    return [sentence for sentence in found if sentence]


def known_of(data: ChannelData) -> list[Claim]:
    """Return what the raw numbers say themselves, in few lines of their own."""
    found: list[Claim] = []
    counts = data.daily.drop_nulls("items").select("observed_at", "items").sort("observed_at")
    listed = data.current_items.height
    if counts.height > 1 and counts["items"].diff().drop_nulls().min() >= 0:  # type: ignore[operator]
        span = (counts["observed_at"][-1] - counts["observed_at"][0]).total_seconds() / 86_400
        if span >= 14 and counts["items"][-1] > 1.1 * listed > 0:
            rate = 7 * (counts["items"][-1] - counts["items"][0]) / span
            found.append(
                Claim(
                    "items a week",
                    0.999 * rate,
                    1.001 * rate,
                    f"the channel's own count: {rate:.3f}",
                )
            )
    if listed:
        found.append(Claim("items listed", listed, listed, f"{listed} items in the table"))
    return found


def _range(text: str) -> tuple[float, float]:
    unit = _UNITS.get(text[-1], 1.0)
    digits = text.rstrip("KMB").replace(",", "").replace("−", "-").replace("±", "")
    value = float(digits)
    decimals = len(digits.partition(".")[2])
    half = 0.4999 * 10.0**-decimals
    return (value - half) * unit, (value + half) * unit
