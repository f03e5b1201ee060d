"""
What an owner may try, by figures that only an owner sees: where to look, and why.

Unlike recommendations these are no tested findings. The numbers say that something is low, or has
changed, with chance allowed for; that a trial changes it is for the trial to show. Each says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from jobs.analysis.wording import noun, percent, short, step, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.owner_figures import OwnerFigures, Told
    from jobs.channel.records import Platform

MOST: Final = 2
STRENGTH: Final = "to try"
"""What stands where a recommendation has the strength of its evidence."""

_MOSTLY: Final = 0.6
_WELL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try (*advice*), the figures that suggest it (*title*), and what they cannot say."""

    advice: str
    title: str
    caution: str


def trials(analysis: ChannelAnalysis) -> list[Trial]:
    """Return up to `MOST` trials, the one with most to gain first; none without such figures."""
    found = analysis.owner
    return list(islice(_trials(analysis, found), MOST)) if found.present else []


def _trials(analysis: ChannelAnalysis, found: OwnerFigures) -> Iterator[Trial]:
    platform = analysis.platform
    yield from _of_the_week(analysis, found)
    if found.clicks.present and found.clicks.low:
        yield _thumbnail(found.clicks.low[0], found.clicks.median)
    if found.held.present:
        left = next((one for one in found.held.low if (one.beside or 0) >= _WELL), None)
        if left is not None:
            yield _beginning(left, platform)
    if found.stayed.present and found.stayed.low:
        yield _first_second(found.stayed.low[0], found.stayed.median)


def _of_the_week(analysis: ChannelAnalysis, found: OwnerFigures) -> Iterator[Trial]:
    """Yield where to look after a clear fall of views, if one part made most of it."""
    growth = analysis.growth
    week = growth.views.week if growth.present and growth.views.present else None
    if week is None or not week.present or week.direction != "down" or not found.explained.present:
        return
    parts = found.explained
    fall = parts.after - parts.before
    if parts.last_day != week.last_day or fall >= 0:
        return
    if parts.by_impressions <= _MOSTLY * fall:
        yield Trial(
            f"Look at what is shown: publish, or link to {noun(analysis.platform)}s that are shown "
            "often, before changing thumbnails.",
            f"Fewer impressions make {step(parts.by_impressions)} of the {step(fall)} views a day; "
            f"their click-through is {percent(parts.click_through[1])}, "
            f"{percent(parts.click_through[0])} the week before",
            "Why a platform shows less, these figures do not say: a season, a holiday and a pause "
            "between two look the same.",
        )
    elif parts.by_clicks <= _MOSTLY * fall:
        yield Trial(
            "Look at the newest thumbnails and titles: they were shown, and clicked less.",
            f"A lower click-through makes {step(parts.by_clicks)} of the {step(fall)} views a day: "
            f"{percent(parts.click_through[1])}, {percent(parts.click_through[0])} the week before",
            "A lower share is also what a wider audience brings: shown to people who do not know "
            "the channel, the same thumbnail earns fewer clicks.",
        )


def _thumbnail(low: Told, median: float) -> Trial:
    watched = (
        f"; those who came watched {times(low.beside)} what is usual for its length"
        if low.beside is not None and low.beside >= _WELL
        else ""
    )
    missed = low.of * (median - low.value)
    return Trial(
        f"Try another thumbnail or title for “{low.title}”.",
        f"It earned a click on {percent(low.value)} of {short(low.of)} impressions, "
        f"{times(low.ratio)} the {percent(median)} usual here{watched}",
        f"At the usual share the same impressions would have brought {short(missed)} clicks more. "
        "Whether a thumbnail brings them, only a trial tells: each is shown to other people, and "
        "the wider the audience, the lower the share.",
    )


def _beginning(low: Told, platform: Platform) -> Trial:
    clicked = times(low.beside or _WELL)
    return Trial(
        f"Look at how “{low.title}” begins, and whether it keeps what its title promises.",
        f"It is clicked {clicked} as often as usual, and {percent(low.value)} of it is watched, "
        f"{times(low.ratio)} what is usual for {noun(platform)}s of like length",
        f"That is a mean of {short(low.of)} views: at which second people leave, only the curve of "
        "its retention shows, which no export has.",
    )


def _first_second(low: Told, median: float) -> Trial:
    return Trial(
        f"Look at the first second of “{low.title}” beside those that people stay for.",
        f"{percent(low.value)} stayed to watch it, {times(low.ratio)} the {percent(median)} usual "
        "here",
        "It was offered to other people than the rest were: a topic that interests few keeps few, "
        "however well it begins.",
    )
