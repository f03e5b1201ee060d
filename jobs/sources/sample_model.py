"""
Generate a channel: who publishes when, and how views gather.

An item has R views in the end, of which the share 1 − exp(−(age / τ)^0.6) has come by its
age: a stretched exponential, fast at first and long in the tail. R is the channel's usual
reach, times growth, times the pull of the place in the week, times log-normal luck; one item
is an outlier. The channel's views are those of its items, and a steady trickle to its older
ones, with growth, a weekly rhythm and noise.

All random numbers come from one seeded generator, in a fixed order, and from its `random()` alone:
that gives the same numbers in every version of Python.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import TYPE_CHECKING

from jobs.channel.records import (
    ChannelReading,
    ChannelRecord,
    ChannelSnapshot,
    ItemRecord,
    ItemSnapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobs.channel.records import Platform

FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)
"""A Monday: the first day on which the channel's counters are read, at 06:00 UTC."""
DAYS = 175
"""How many days there are from the first reading to the last, the gap included: 25 weeks."""
ITEM_AGES_DAYS = (1, 2, 3, 7, 14, 28, 56, 84)
"""
The ages at which an item's counters are read, if the channel is read on that day; on the first
and last day all items are read.
"""

_READ_AT = timedelta(hours=6)
_DAY = timedelta(days=1)
_CURVE = 0.6
_TRICKLE_NOISE = 0.06
_LIKES_NOISE = 0.2
_COMMENTS_NOISE = 0.4
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the week (Monday is 0, UTC), its pull on viewers, how often it is skipped."""

    weekday: int
    hour: int
    pull: float = 1.0
    skipped: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """
    How many people watch, and what they leave behind.

    *reach* is an item's views in the end and *luck* the spread of its logarithm, *trickle* the
    views of older items per day; both grow by *growth* per year. Shares are per view; None means
    that the platform does not publish that counter.
    """

    reach: float
    settling_days: float
    luck: float
    trickle: float
    weekday_factors: Sequence[float]
    growth: float
    views_before: int
    subscribers_before: int | None = None
    subscribers_share: float = 0.0
    subscribers_rounded: bool = False
    likes_share: float | None = None
    comments_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleChannel:
    """
    What makes one generated channel.

    Items begin *weeks_before* the first day. *outlier* is the number of the item that did far
    better, and by what factor; *gap* the first day without counters, and how many there are.
    """

    name: str
    title: str
    platform: Platform
    seed: int
    subjects: Sequence[str]
    slots: Sequence[Slot]
    weeks_before: int
    items_before: int
    shortest_s: int
    longest_s: int
    outlier: tuple[int, float]
    gap: tuple[int, int]
    audience: Audience

    @property
    def record(self) -> ChannelRecord:
        """The channel itself."""
        return ChannelRecord(f"sample:{self.name}", self.title, self.platform, generated=True)


class _Chance:
    """All random numbers of a channel."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed).random  # noqa: S311 -- repeatable, not secret

    def share(self) -> float:
        return self._draw()

    def luck(self, spread: float) -> float:
        """A log-normal factor around 1."""
        return math.exp(spread * _NORMAL.inv_cdf(min(max(self._draw(), 1e-9), 1 - 1e-9)))


@dataclass(frozen=True, slots=True)
class _Item:
    record: ItemRecord
    published_at: datetime
    reach: float
    settling_days: float
    likes_share: float | None
    comments_share: float | None

    def views(self, at: datetime) -> float:
        age_days = (at - self.published_at) / _DAY
        if age_days <= 0:
            return 0.0
        return self.reach * -math.expm1(-((age_days / self.settling_days) ** _CURVE))

    def snapshot(self, at: datetime) -> ItemSnapshot:
        views = int(self.views(at))
        return ItemSnapshot(
            item_id=self.record.id,
            observed_at=at,
            views=views,
            likes=_part(views, self.likes_share),
            comments=_part(views, self.comments_share),
        )


def simulate(channel: SampleChannel) -> ChannelReading:
    """Return all data of *channel*: the same at every call."""
    chance = _Chance(channel.seed)
    items = list(_items(channel, chance))
    read_at = _reading_times(channel)
    return ChannelReading(
        channel=channel.record,
        items=[item.record for item in items],
        channel_snapshots=list(_channel_snapshots(channel, items, read_at, chance)),
        item_snapshots=[item.snapshot(at) for item in items for at in _ages(item, read_at)],
    )


def _items(channel: SampleChannel, chance: _Chance) -> Iterator[_Item]:
    number = 0
    for week in range(-channel.weeks_before, DAYS // 7):
        for slot in channel.slots:
            skipped, minutes = chance.share() < slot.skipped, int(20 * chance.share())
            day = FIRST_DAY + timedelta(days=7 * week + slot.weekday)
            published_at = day + timedelta(hours=slot.hour, minutes=minutes)
            if not skipped:
                number += 1
                yield _item(channel, number, slot, published_at, chance)


def _item(
    channel: SampleChannel, number: int, slot: Slot, published_at: datetime, chance: _Chance
) -> _Item:
    audience = channel.audience
    subject = channel.subjects[(number - 1) % len(channel.subjects)]
    length = channel.shortest_s * (channel.longest_s / channel.shortest_s) ** chance.share()
    far = channel.outlier[1] if number == channel.outlier[0] else 1.0
    usual = audience.reach * _grown(audience, published_at) * slot.pull
    return _Item(
        record=ItemRecord(
            id=f"{channel.name}-{number:03d}",
            title=f"#{number} {subject}",
            published_at=published_at,
            duration_s=int(length),
        ),
        published_at=published_at,
        reach=usual * far * chance.luck(audience.luck),
        settling_days=audience.settling_days,
        likes_share=_spread(audience.likes_share, chance.luck(_LIKES_NOISE)),
        comments_share=_spread(audience.comments_share, chance.luck(_COMMENTS_NOISE)),
    )


def _channel_snapshots(
    channel: SampleChannel, items: Sequence[_Item], read_at: Sequence[datetime], chance: _Chance
) -> Iterator[ChannelSnapshot]:
    trickled = _trickled(channel.audience, chance)
    already = sum(item.views(read_at[0]) for item in items)
    for at in read_at:
        gained = trickled[at] + sum(item.views(at) for item in items) - already
        published = sum(item.published_at <= at for item in items)
        yield ChannelSnapshot(
            observed_at=at,
            subscribers=_subscribers(channel.audience, gained),
            views=channel.audience.views_before + int(gained),
            items=channel.items_before + published,
        )


def _trickled(audience: Audience, chance: _Chance) -> Mapping[datetime, float]:
    """Views of older items since the first reading; they go on through the gap."""
    total, trickled = 0.0, {}
    for number in range(DAYS):
        at = FIRST_DAY + number * _DAY + _READ_AT
        trickled[at] = total
        rhythm = audience.weekday_factors[at.weekday()]
        noise = chance.luck(_TRICKLE_NOISE)
        total += audience.trickle * _grown(audience, at) * rhythm * noise
    return trickled


def _reading_times(channel: SampleChannel) -> list[datetime]:
    first_missing, missing = channel.gap
    return [
        FIRST_DAY + day * _DAY + _READ_AT
        for day in range(DAYS)
        if not first_missing <= day < first_missing + missing
    ]


def _ages(item: _Item, read_at: Sequence[datetime]) -> Iterator[datetime]:
    day = item.published_at.replace(hour=0, minute=0) + _READ_AT
    wanted = {day + age * _DAY for age in ITEM_AGES_DAYS} | {read_at[0], read_at[-1]}
    return (at for at in read_at if at in wanted and at > item.published_at)


def _grown(audience: Audience, at: datetime) -> float:
    return math.pow(audience.growth, (at - FIRST_DAY).days / 365)


def _subscribers(audience: Audience, gained: float) -> int | None:
    if audience.subscribers_before is None:
        return None
    exact = audience.subscribers_before + int(gained * audience.subscribers_share)
    if not audience.subscribers_rounded:
        return exact
    hidden = max(len(str(exact)) - 3, 0)  # YouTube publishes three digits, rounded down
    return int(str(exact)[:3] + "0" * hidden)


def _part(views: int, share: float | None) -> int | None:
    return None if share is None else int(views * share)


def _spread(share: float | None, luck: float) -> float | None:
    return None if share is None else share * luck
