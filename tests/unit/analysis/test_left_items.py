"""Items that left their source count in the past, never in the present."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from jobs.analysis import analyze
from jobs.analysis.catalogue import catalogue as catalogue_share
from jobs.analysis.formats import formats
from jobs.analysis.items import items
from jobs.analysis.section import Missing
from jobs.recommendations.rising import paces
from tests.unit.analysis.channels import DAY, START, Item, catalogue, channel_data

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData

HIT = Item(20.5, views=900_000, likes=30_000, title="The hit", duration_s=30)


def followed(listed: list[Item], gains: list[int], days: int = 60) -> ChannelData:
    """Make a channel whose items were read daily for the last *days*, gaining *gains* a day."""
    data = channel_data(items=listed)
    read = [
        (f"v{i}", START + (400 - days + day) * DAY, 1_000 + gain * day, None, None)
        for i, gain in enumerate(gains)
        for day in range(days + 1)
    ]
    schema = data.item_snapshots.schema
    snapshots = pl.DataFrame(read, schema, orient="row").sort("item_id", "observed_at")
    return replace(data, item_snapshots=snapshots)


def test_item_that_left_is_not_among_those_of_now() -> None:
    """A hit that was taken down is in no list and no share."""
    left = replace(HIT, left_day=390.0)
    there, gone = (items(channel_data(items=[*catalogue(40), one])) for one in (HIT, left))
    assert there.present
    assert gone.present
    assert there.top[0].title == there.standouts[0].title == "The hit"
    assert (gone.listed, gone.counted) == (40, 40)
    assert "The hit" not in [item.title for item in (*gone.top, *gone.standouts)]
    assert gone.views == there.views - 900_000


def test_item_that_left_counts_in_no_share_of_formats() -> None:
    """If the only short item is gone, all current items are long."""
    long = [replace(item, duration_s=600) for item in catalogue(30)]
    found = formats(channel_data(items=[*long, replace(HIT, left_day=390.0)]))
    assert found.present
    assert (found.items, found.unknown_length) == (30, 0)
    assert [one.name for one in found.formats] == ["long"]


def test_item_that_left_has_no_share_of_what_comes_in() -> None:
    """Its recent gains do not count for the catalogue."""
    listed = [Item(10.0 * i, views=1_000) for i in range(12)]
    gains = [10] * 11 + [10_000]
    there = catalogue_share(followed(listed, gains))
    listed[-1] = replace(listed[-1], left_day=399.0)
    gone = catalogue_share(followed(listed, gains))
    assert there.present
    assert gone.present
    assert (there.old_items, gone.old_items) == (12, 11)
    assert gone.old_views == there.old_views - 28 * 10_000


def test_item_that_left_is_not_pointed_at() -> None:
    """A rising item that left is not recommended: nobody can watch it."""
    listed = [Item(1.0, views=1_000), Item(2.0, views=1_000, left_day=399.0)]
    assert [pace.item_id for pace in paces(followed(listed, [10, 10]))] == ["v0"]


def test_item_that_left_was_published() -> None:
    """Taking an item down does not change how often the channel publishes."""
    listed = catalogue(40)
    left = [replace(item, left_day=390.0) if i % 2 else item for i, item in enumerate(listed)]
    there, gone = (analyze(channel_data(items=which)) for which in (listed, left))
    assert gone.cadence == there.cadence
    assert gone.engagement == there.engagement
    assert gone.trends == there.trends


def test_analysis_says_how_many_left() -> None:
    """The report mentions it, and the analysis differs from before."""
    listed = [*catalogue(20), replace(HIT, left_day=390.0)]
    there, gone = channel_data(items=[*catalogue(20), HIT]), channel_data(items=listed)
    assert there.fingerprint != gone.fingerprint
    found = analyze(gone).coverage
    assert found.present
    assert (found.items_listed, found.items_left) == (20, 1)
    assert any(note.startswith("1 item left the source:") for note in found.notes)


def test_channel_that_lost_all_items_gets_that_reason() -> None:
    """The reason says that all items left, not that there were none."""
    found = items(channel_data(items=[replace(HIT, left_day=390.0)]))
    assert isinstance(found, Missing)
    assert found.reason == "All items of this channel left its source."
