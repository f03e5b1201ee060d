"""Old items, formats, and the views of items at each age."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobs.analysis.catalogue import Catalogue, catalogue
from jobs.analysis.formats import Formats, formats
from jobs.analysis.reach_by_age import ReachByAge, reach_by_age
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import START, Item, channel_data

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData


def read_again(items: list[Item], gains: list[int], *, days: float) -> ChannelData:
    """Make a channel whose *items* were read twice, *days* apart, the second time with *gains*."""
    data = channel_data(items=items)
    again = data.item_snapshots.with_columns(
        pl.col("observed_at") + timedelta(days=days),
        views=pl.Series(
            [items[int(name[1:])].views for name in data.item_snapshots["item_id"]],
            dtype=pl.Int64(),
        )
        + pl.Series([gains[int(name[1:])] for name in data.item_snapshots["item_id"]]),
    )
    snapshots = pl.concat([data.item_snapshots, again]).sort("item_id", "observed_at")
    return replace(data, item_snapshots=snapshots)


def test_catalogue_share_is_that_of_old_items() -> None:
    """If 15 old items gain 100 each and 5 new ones 300 each, the share of old ones is half."""
    items = [Item(10.0 * i, views=1_000) for i in range(15)]
    items += [Item(380.0 + i, views=1_000) for i in range(5)]
    found = catalogue(read_again(items, [100] * 15 + [300] * 5, days=28))
    assert isinstance(found, Catalogue)
    assert (found.old_items, found.new_items, found.unknown_items) == (15, 5, 0)
    assert found.share == pytest.approx(0.5)
    assert 0 <= found.low < 0.5 < found.high <= 1


def test_catalogue_counts_no_fall_as_a_gain() -> None:
    """An item whose counter fell has no known gain."""
    items = [Item(10.0 * i, views=1_000) for i in range(15)]
    found = catalogue(read_again(items, [100] * 14 + [-500], days=28))
    assert isinstance(found, Catalogue)
    assert (found.old_views, found.unknown_items) == (1_400, 1)


def test_catalogue_needs_a_second_reading() -> None:
    """One reading or none gives no share; nor does a feed that lists only new items."""
    for items in ([], [Item(10.0 * i, views=1_000) for i in range(15)]):
        assert isinstance(catalogue(channel_data(items=items)), Missing)
    items = [Item(10.0 * i, views=1_000) for i in range(30)]
    data = read_again(items, [100] * 30, days=28)
    seen = data.item_snapshots.filter(
        (pl.col("observed_at") < START + timedelta(days=401)) | (pl.col("item_id") > "v3")
    )
    assert isinstance(catalogue(replace(data, item_snapshots=seen)), Missing)


def test_formats_are_compared_at_like_age() -> None:
    """Shorts with twice the views of long ones are found, whatever their age."""
    rng = np.random.default_rng(6)
    items = [
        Item(
            10.0 * i,
            views=int((400 - 10 * i) * 100 * (2 if i % 2 else 1) * rng.lognormal(0, 0.1)),
            duration_s=30 if i % 2 else 900,
        )
        for i in range(39)
    ]
    found = formats(channel_data(items=items))
    assert isinstance(found, Formats)
    assert [(each.name, each.items) for each in found.formats] == [("long", 20), ("short", 19)]
    assert sum(each.share for each in found.formats) == pytest.approx(1)
    assert sum(each.views_share or 0 for each in found.formats) == pytest.approx(1)
    assert found.comparison.present
    assert found.comparison.low < 2 < found.comparison.high
    assert found.comparison.heading == "up"


def test_formats_without_lengths_are_missing() -> None:
    """Without lengths there are no formats; a single format is reported but not compared."""
    assert isinstance(formats(channel_data(items=[Item(1.0, views=5, duration_s=None)])), Missing)
    alone = formats(channel_data(items=[Item(i, views=9, duration_s=30) for i in range(30)]))
    assert isinstance(alone, Formats)
    assert [each.name for each in alone.formats] == ["short"]
    assert isinstance(alone.comparison, Missing)


def test_reach_by_age_takes_each_item_once_an_age() -> None:
    """Twenty items read four times at an age of 7 days count as twenty."""
    items = [Item(float(i), views=1_000 + i, read_day=i + 7.0) for i in range(20)]
    data = channel_data(items=items)
    often = pl.concat(
        data.item_snapshots.with_columns(pl.col("observed_at") + timedelta(hours=h))
        for h in (0, 1, 2, 3)
    ).sort("item_id", "observed_at")
    found = reach_by_age(replace(data, item_snapshots=often))
    assert isinstance(found, ReachByAge)
    (band,) = found.bands
    assert (band.age_days, band.items) == (7, 20)
    assert band.lower_quartile <= band.median <= band.upper_quartile


def test_reach_by_age_sees_new_items_do_better() -> None:
    """Newer items with three times the views at the same age are reported with an interval."""
    rng = np.random.default_rng(2)
    items = [
        Item(float(i), views=int((3 if i >= 15 else 1) * rng.lognormal(8, 0.2)), read_day=i + 7.0)
        for i in range(30)
    ]
    found = reach_by_age(channel_data(items=items))
    assert isinstance(found, ReachByAge)
    assert found.change.present
    assert found.change.low < 3 < found.change.high
    assert found.change.heading == "up"
    newest = [START.date() + timedelta(days=days) for days in (15, 29)]
    assert [found.change.newer_from, found.change.newer_to] == newest


def test_reach_by_age_does_not_take_youth_for_a_fall() -> None:
    """Items all read on one day are not called worse for being younger."""
    items = [Item(4.0 * i, views=10 * (400 - 4 * i)) for i in range(80)]
    found = reach_by_age(channel_data(items=items))
    assert isinstance(found, ReachByAge)
    assert any(band.items >= 16 for band in found.bands)
    assert isinstance(found.change, Missing)


def test_reach_by_age_does_not_mix_ages() -> None:
    """Items all read on one day differ in age, so newer and older are not compared."""
    found = reach_by_age(channel_data(items=[Item(12.0 * i, views=100) for i in range(33)]))
    assert isinstance(found, ReachByAge)
    assert isinstance(found.change, Missing)
    assert isinstance(reach_by_age(channel_data()), Missing)
