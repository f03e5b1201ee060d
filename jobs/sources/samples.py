"""
Three generated channels, a video, a podcast and a streaming one: the same on every machine.

They show what real ones show: growth, a weekly rhythm, items that gather views fast and then
slowly, an outlier, days without counters, rounded subscribers, counters that a platform does
not publish. Their titles say that they are generated, and `ChannelRecord.generated` is set;
`sample_model` generates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from jobs.channel.records import Platform, SourceRef
from jobs.sources.description import joined, period
from jobs.sources.location import SampleName
from jobs.sources.sample_model import Audience, SampleChannel, Slot, simulate
from jobs.sources.source import SourceError
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from jobs.channel.records import ChannelReading, ChannelRecord, Reject

KIND = "samples"
_ALL = SampleName()

_VIDEO = SampleChannel(
    name="video",
    title="Bench and Grain (generated sample)",
    platform=Platform.YOUTUBE,
    seed=1001,
    subjects=(
        "Sharpening a hand plane",
        "A stool from one board",
        "Which glue holds?",
        "Fixing a wobbly table",
        "Dovetails without a jig",
        "Restoring a rusty vice",
        "A bookshelf in a day",
        "Oil or varnish?",
        "The drawer that never sticks",
        "Five joints, one saw",
    ),
    slots=(Slot(1, 17, pull=1.35, skipped=0.06), Slot(5, 9, pull=0.8, skipped=0.1)),
    weeks_before=5,
    items_before=212,
    shortest_s=360,
    longest_s=1500,
    outlier=(27, 11.0),
    gap=(96, 6),
    audience=Audience(
        reach=26_000,
        settling_days=6.0,
        luck=0.32,
        trickle=7_500,
        weekday_factors=(0.92, 0.9, 0.93, 0.95, 1.0, 1.2, 1.24),
        growth=1.6,
        views_before=11_400_000,
        subscribers_before=83_400,
        subscribers_share=0.0045,
        subscribers_rounded=True,
        likes_share=0.041,
        comments_share=0.0034,
    ),
)
_PODCAST = SampleChannel(
    name="podcast",
    title="The Long Footnote (generated sample)",
    platform=Platform.PODCAST,
    seed=1002,
    subjects=(
        "A map drawn from hearsay",
        "The clerk who saved a city",
        "Salt, tax and rumour",
        "Letters nobody sent",
        "The lighthouse inspectors",
        "A census of bells",
        "How maps lost their monsters",
        "The translator's revenge",
        "One winter, three calendars",
    ),
    slots=(Slot(3, 5), Slot(0, 5, pull=0.7, skipped=0.75)),
    weeks_before=20,
    items_before=96,
    shortest_s=1500,
    longest_s=4500,
    outlier=(43, 6.0),
    gap=(61, 4),
    audience=Audience(
        reach=5_400,
        settling_days=4.0,
        luck=0.18,
        trickle=1_100,
        weekday_factors=(1.1, 1.12, 1.1, 1.15, 1.05, 0.74, 0.74),
        growth=2.2,
        views_before=640_000,
    ),
)
_STREAM = SampleChannel(
    name="stream",
    title="Night Shift Speedruns (generated sample)",
    platform=Platform.STREAM,
    seed=1003,
    subjects=(
        "Any% practice",
        "Race night",
        "Learning the skip",
        "Viewers pick the route",
        "All bosses, no sleep",
        "Marathon warm-up",
        "Relay with friends",
    ),
    slots=(
        Slot(1, 19, skipped=0.08),
        Slot(3, 19, skipped=0.08),
        Slot(5, 14, pull=1.25, skipped=0.08),
    ),
    weeks_before=1,
    items_before=431,
    shortest_s=7_200,
    longest_s=18_000,
    outlier=(44, 8.0),
    gap=(131, 8),
    audience=Audience(
        reach=3_100,
        settling_days=1.2,
        luck=0.35,
        trickle=420,
        weekday_factors=(0.8, 0.9, 0.85, 0.95, 1.15, 1.25, 1.1),
        growth=1.9,
        views_before=1_210_000,
        subscribers_before=14_837,
        subscribers_share=0.012,
        comments_share=0.62,
    ),
)
_CHANNELS: Mapping[str, SampleChannel] = {one.name: one for one in (_VIDEO, _PODCAST, _STREAM)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Generated channels, all or one; see `Source`."""

    ref: SourceRef
    rejects: Sequence[Reject]
    observed_at: datetime
    readings: Mapping[str, ChannelReading]

    def describe(self) -> str:
        """Describe how many channels and items there are, and of which days."""
        times = [
            one.observed_at for each in self.readings.values() for one in each.channel_snapshots
        ]
        return joined(
            "generated samples",
            counted(len(self.readings), "channel"),
            counted(sum(len(reading.items) for reading in self.readings.values()), "item"),
            period(min(times), max(times)),
        )

    def channels(self) -> Sequence[ChannelRecord]:
        """Return the channels."""
        return [reading.channel for reading in self.readings.values()]

    def read(self, channel_id: str) -> ChannelReading:
        """Return all it holds of one channel."""
        if channel_id not in self.readings:
            raise SourceError(self.ref.location, f"has no channel {channel_id}")
        return self.readings[channel_id]


def open_samples(samples: SampleName = _ALL) -> Samples:
    """
    Return the *samples* of that name.

    Raises:
        SourceError: There is none of that name.
    """
    name = samples.name
    if name and name not in _CHANNELS:
        raise SourceError(samples.text, f"there is no sample '{name}'", f"There are {_names()}")
    readings = [_simulated(each) for each in _CHANNELS if name in {"", each}]
    return Samples(
        ref=SourceRef(KIND, samples.text),
        rejects=(),
        observed_at=max(reading.channel_snapshots[-1].observed_at for reading in readings),
        readings={reading.channel.id: reading for reading in readings},
    )


@cache
def _simulated(name: str) -> ChannelReading:
    return simulate(_CHANNELS[name])


def _names() -> str:
    return ", ".join(_CHANNELS)
