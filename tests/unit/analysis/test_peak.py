"""The highest day is explained by what the data has on it, or said not to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from jobs.analysis import analyze
from jobs.analysis.peak import Peak, peak
from jobs.channel.data import ITEM_GAINS
from jobs.channel.platform_day import PlatformDay
from jobs.charts import build_charts
from jobs.charts.chart import reading
from tests.unit.analysis.channels import START, Item, catalogue, channel_data

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData

AT = 40
QUIET = [Item(float(i), views=10, read_day=59.0) for i in range(10)]


def views(gain: int = 5_000) -> list[int | None]:
    """Make a counter of a thousand views a day, *gain* of them on day `AT`."""
    total, found = 100_000, list[int | None]()
    for day in range(60):
        found.append(total)
        total += gain if day == AT else 1_000
    return found


def found(data: ChannelData) -> Peak:
    """Return the peak of *data*, which must exist."""
    section = peak(data)
    assert isinstance(section, Peak)
    return section


def test_peak_is_the_highest_day_and_its_usual() -> None:
    """Without anything that explains it, the report says so."""
    data = channel_data(views=views(), items=QUIET)
    highest = found(data)
    assert (highest.day, highest.views) == ((START + timedelta(days=AT)).date(), 5_000)
    assert (highest.usual, highest.why) == (1_000, "unknown")
    chart = build_charts(data, analyze(data))[0]
    assert "The highest dot: 14 Feb 2026 with 5,000 views, 5.0× the 1,000 usual" in reading(
        chart.spec
    )
    assert "nothing in this data says why" in reading(chart.spec)


def test_peak_names_the_item_that_came_out() -> None:
    """An item of that day or the day before is named, with its address; an older one is not."""
    new = Item(AT - 0.5, views=4_000, title="The hit", read_day=59.0, url="https://example.com/hit")
    highest = found(channel_data(views=views(), items=[*QUIET, new]))
    assert (highest.why, highest.title, highest.url) == ("published", "The hit", new.url)
    older = replace(new, published_day=AT - 5.0)
    assert found(channel_data(views=views(), items=[*QUIET, older])).why == "unknown"


def test_peak_names_the_item_that_brought_the_views() -> None:
    """Where items' own days are known, the one with most views of the day explains it."""
    data = channel_data(views=views(), items=catalogue(12))
    day = (START + timedelta(days=AT)).date()
    gains = pl.DataFrame([["v3", "v5"], [day, day], [3_100, 40]], schema=ITEM_GAINS)
    highest = found(replace(data, item_gains=gains))
    assert (highest.why, highest.item_id, highest.item_views) == ("item", "v3", 3_100)
    little = gains.with_columns(pl.lit(50, pl.Int64).alias("views"))
    assert found(replace(data, item_gains=little)).why != "item"


def test_peak_of_the_platform_is_no_hit() -> None:
    """A day on which all counters caught up is said to be the platform's, whatever came out."""
    new = Item(AT - 0.5, views=4_000, title="The hit", read_day=59.0)
    data = channel_data(views=views(), items=[*QUIET, new])
    day = PlatformDay((START + timedelta(days=AT)).date(), 3.0, 0.2, 90)
    assert found(replace(data, platform_days=(day,))).why == "platform"


def test_peak_after_a_day_that_stood_still_is_a_late_count() -> None:
    """A counter that did not move for a day gives both days' views to the next."""
    counter = views()
    counter[AT] = counter[AT - 1]
    assert found(channel_data(views=counter, items=QUIET)).why == "late"
