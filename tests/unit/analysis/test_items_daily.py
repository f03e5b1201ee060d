"""Items followed day by day: those with the most views, each against its week before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from jobs.analysis import ChannelAnalysis, analyze
from jobs.analysis.items_daily import NOT_FOLLOWED, SHOWN, items_daily
from jobs.channel.data import ITEM_GAINS, ITEM_SNAPSHOTS, ChannelData
from jobs.charts.items_daily import items_daily as drawn
from jobs.charts.story import missing_reasons
from jobs.charts.what_changed import what_changed
from tests.unit.analysis.channels import START, Item, channel_data, growing

DAYS = 40


def read_daily(*gained: list[int], left: int | None = None) -> ChannelData:
    """Make a channel of items read once a day, with these gains from day to day."""
    items = [
        Item(0.0, views=1, title=f"Item {i}", left_day=50.0 if i == left else None)
        for i in range(len(gained))
    ]
    rows = [
        (f"v{i}", START + timedelta(days=day), 1_000 + sum(each[:day]), None, None)
        for i, each in enumerate(gained)
        for day in range(len(each) + 1)
    ]
    snapshots = pl.DataFrame(rows, schema=ITEM_SNAPSHOTS, orient="row")
    return replace(channel_data(items=items), item_snapshots=snapshots)


def test_items_that_bring_most_now_come_first() -> None:
    """Items are ranked by their last week, whatever came before; the others are only counted."""
    rising = [[10 * (i + 1)] * DAYS for i in range(6)]
    found = items_daily(read_daily([9_000] * 20 + [25] * 20, *rising))
    assert found.present
    assert [one.title for one in found.items] == ["Item 6", "Item 5", "Item 4", "Item 3"]
    assert len(found.items) == SHOWN
    assert found.followed == 7
    assert [one.last_week for one in found.items] == [420, 350, 280, 210]
    assert all(one.days == DAYS for one in found.items)


def test_item_week_is_compared_with_the_one_before() -> None:
    """A week with half the views is a clear fall, reported even without channel counters."""
    data = read_daily([100] * 33 + [50] * 7)
    found = items_daily(data)
    assert found.present
    week = found.items[0].week
    assert week.present
    assert week.ratio == pytest.approx(0.5)
    assert week.direction == "down"
    assert what_changed(analyze(data))[0] == (
        "“Item 0” gained 350 views in the 7 days up to 13 Feb 2026, −50% on the 7 days before "
        "(95% interval −50% to −50%)."
    )
    with_counters = replace(data, daily=channel_data(views=growing(41)).daily)
    assert "Item 0" not in " ".join(what_changed(analyze(with_counters)))


@pytest.mark.parametrize(
    "data",
    [
        channel_data(),
        channel_data(items=[Item(1.0, views=5_000)]),
        read_daily([100] * 12),
        read_daily([7] * DAYS),
        read_daily([100] * DAYS, left=0),
        read_daily([100] * 20, [0] * DAYS),
    ],
    ids=["nothing", "read once", "too few days", "hardly viewed", "left", "not read of late"],
)
def test_items_are_followed_only_where_that_tells_something(data: ChannelData) -> None:
    """Items that were read too rarely, hardly viewed, or are old are not followed."""
    assert not items_daily(data).present
    assert drawn(data, analyze(data)) is None


def test_item_read_every_other_day_takes_no_place_of_one_read_daily() -> None:
    """Its gains per day are unknown, however large they are."""
    data = read_daily(*([[900] * DAYS] * SHOWN), [100] * DAYS)
    odd = (pl.col("observed_at") - START).dt.total_days() % 2 == 1
    kept = data.item_snapshots.filter(~odd | (pl.col("item_id") == f"v{SHOWN}"))
    found = items_daily(replace(data, item_snapshots=kept))
    assert found.present
    assert [one.title for one in found.items] == [f"Item {SHOWN}"]
    assert found.followed == 1


def test_exported_gains_of_items_are_used_unchanged() -> None:
    """Exported days count, and not the counter beside them."""
    day = START.date()
    gains = pl.DataFrame(
        [("v0", day + timedelta(days=i), 20 + i) for i in range(30)],
        schema=ITEM_GAINS,
        orient="row",
    )
    data = replace(read_daily([5] * DAYS), item_gains=gains)
    found = items_daily(data)
    assert found.present
    assert found.items[0].last_week == sum(range(43, 50))
    assert found.items[0].days == 30


def test_followed_items_are_drawn() -> None:
    """There is a dot per known day, a line that breaks over gaps, and a table row per item."""
    data = read_daily([100 + (7 * i) % 30 for i in range(DAYS)], [60] * DAYS)
    gap = pl.col("observed_at").is_between(START + timedelta(days=9), START + timedelta(days=20))
    data = replace(data, item_snapshots=data.item_snapshots.filter(~gap))
    chart = drawn(data, analyze(data))
    assert chart is not None
    assert chart.title.startswith("“Item 0” brought 8")
    assert chart.title.endswith("no clear change from the one before")
    names = [layer["data"]["name"] for layer in chart.spec["layer"]]
    dots, lines = (chart.spec["datasets"][name] for name in names)
    assert len(dots) == 2 * (DAYS - 13)
    broken = [row["views"] is None for row in lines if row["item"].startswith("2.")]
    assert broken.index(True) == 8
    assert np.count_nonzero(broken) == 13
    assert [row[0] for row in chart.spec["usermeta"]["table"]["rows"]] == ["1. Item 0", "2. Item 1"]


def test_analysis_from_before_items_were_followed_is_read() -> None:
    """A stored analysis of an older version lacks only the followed items."""
    document = analyze(read_daily([100] * DAYS)).model_dump(mode="json")
    assert document["items_daily"]["present"]
    del document["items_daily"]
    read = ChannelAnalysis.model_validate(document)
    assert read.items_daily == NOT_FOLLOWED
    assert NOT_FOLLOWED.reason in missing_reasons(read)
