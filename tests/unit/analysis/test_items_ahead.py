"""The next day of growing items, and when it cannot be forecast."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from jobs.analysis import analyze
from jobs.analysis.item_forecast import next_day_views
from jobs.analysis.items_ahead import ItemsAhead, items_ahead
from jobs.analysis.section import Missing
from jobs.charts.items_ahead import items_ahead as items_ahead_chart
from tests.unit.analysis.channels import DAY, START, Item, channel_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.data import ChannelData

END = START + 100 * DAY


def read(
    items: Sequence[Item], views: Sequence[Sequence[int]], *, hours: Sequence[float] = (48, 24, 0)
) -> ChannelData:
    """Make a channel whose items were read *hours* before END, with these *views*."""
    data = channel_data(items=items)
    rows = [
        (f"v{i}", END - timedelta(hours=back), value, None, None)
        for i, own in enumerate(views)
        for back, value in zip(hours[-len(own) :], own, strict=True)
    ]
    snapshots = pl.DataFrame(rows, data.item_snapshots.schema, orient="row")
    return replace(data, item_snapshots=snapshots.sort("item_id", "observed_at"))


def ahead(data: ChannelData) -> ItemsAhead:
    """Return the forecast, which must exist."""
    found = items_ahead(data)
    assert isinstance(found, ItemsAhead)
    return found


def test_next_day_is_forecast_for_growing_items() -> None:
    """The largest gain comes first, and the numbers are those of the formula."""
    found = ahead(
        read([Item(95.0), Item(97.0)], [[50_000, 60_000, 66_000], [10_000, 40_000, 60_000]])
    )
    assert (found.as_of, found.followed, found.level) == (END, 2, 0.8)
    first, second = found.items
    assert (first.item_id, second.item_id) == ("v1", "v0")
    assert (first.views, first.gained, first.readings, first.age_days) == (60_000, 20_000, 3, 3.0)
    expected = next_day_views(np.array([3.0]), np.array([[10_000.0, 40_000.0, 60_000.0]]))
    assert (first.expected, first.low, first.high) == tuple(one[0] for one in expected)
    assert first.views < first.low < first.expected < first.high


def test_next_day_takes_two_readings_where_there_are_no_three() -> None:
    """A video from yesterday has no decay of its own yet."""
    (one,) = ahead(read([Item(98.5)], [[9_000, 21_000]])).items
    assert (one.gained, one.readings) == (12_000, 2)


def test_next_day_reads_what_is_a_day_apart_among_many() -> None:
    """A channel synced every six hours gives the same daily steps."""
    hours = [54, 48, 42, 36, 30, 24, 18, 12, 6, 0]
    views = [1_000 * i for i in range(1, 11)]
    (one,) = ahead(read([Item(95.0)], [views], hours=hours)).items
    assert (one.views, one.gained, one.readings) == (10_000, 4_000, 3)


@pytest.mark.parametrize(
    "data",
    [
        channel_data(),
        channel_data(items=[Item(95.0, views=9_000, read_day=100.0)]),
        read([Item(10.0)], [[50_000, 60_000, 66_000]]),
        read([Item(95.0)], [[50_000, 50_020, 50_090]]),
        read([Item(95.0)], [[50_000, 60_000]], hours=(72, 0)),
        read([Item(95.0, left_day=100.0)], [[50_000, 60_000, 66_000]]),
    ],
    ids=["nothing", "read once", "old", "hardly watched", "not read daily", "left"],
)
def test_next_day_is_not_guessed(data: ChannelData) -> None:
    """Without two days in a row, above the tested age, or with few views there is a reason."""
    found = items_ahead(data)
    assert isinstance(found, Missing)
    assert found.reason.endswith("there is none.")
    assert items_ahead_chart(data, analyze(data)) is None


def test_next_day_leaves_out_what_was_not_read_at_the_end() -> None:
    """An item that left the list two days ago gets no forecast."""
    data = read([Item(95.0), Item(95.0)], [[5_000, 6_000, 7_000]] * 2)
    late = (pl.col("item_id") == "v1") & (pl.col("observed_at") == END)
    found = ahead(replace(data, item_snapshots=data.item_snapshots.filter(~late)))
    assert [one.item_id for one in found.items] == ["v0"]


def test_next_day_is_drawn_with_its_interval() -> None:
    """The title has the first item's gain, date and interval; the table has all items."""
    data = read([Item(97.0, title="The new one")], [[10_000, 40_000, 60_000]])
    chart = items_ahead_chart(data, analyze(data))
    assert chart is not None
    assert chart.title.startswith("“The new one” should gain about ")
    assert " views by 16 Apr 2026 (80% interval " in chart.title
    ((title, views, gained, _, interval),) = chart.spec["usermeta"]["table"]["rows"]
    assert (title, views, gained) == ("The new one", "60K", "20K")
    assert " to " in interval
