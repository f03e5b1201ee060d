"""An old item rises if its newest days beat its earlier ones by more than chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.analysis import analyze
from jobs.channel.data import ITEM_SNAPSHOTS, ITEMS, ChannelData
from jobs.recommendations import advise
from jobs.recommendations.advice import findings
from jobs.recommendations.rising import paces
from tests.unit.analysis.channels import DAY, START, channel_data


def followed(gains: list[list[float]], *, age_days: int = 100) -> ChannelData:
    """Make a channel whose items were read daily and gained *gains*, *age_days* old at first."""
    items = pl.DataFrame(
        [(f"v{i}", f"Item {i}", START - age_days * DAY) for i in range(len(gains))],
        schema={name: ITEMS[name] for name in ("item_id", "title", "published_at")},
        orient="row",
    )
    snapshots = pl.DataFrame(
        [
            (f"v{i}", START + timedelta(days=day), int(views), None, None)
            for i, own in enumerate(gains)
            for day, views in enumerate(np.cumsum([1000, *own]))
        ],
        schema=ITEM_SNAPSHOTS,
        orient="row",
    )
    full = pl.DataFrame(schema=ITEMS)
    return replace(
        channel_data(),
        items=pl.concat([full, items], how="diagonal").select(ITEMS.names()),
        item_snapshots=snapshots,
    )


def test_rising_item_is_found_and_recommended() -> None:
    """An item that suddenly gains three times as much is recommended, with its evidence."""
    rng = np.random.default_rng(1)
    gains = rng.poisson(200, (20, 50)).astype(float)
    gains[7, -7:] *= 3
    data = followed(gains.tolist())
    (one,) = advise(data, analyze(data)).recommendations
    assert one.key == "rising:v7"
    assert "Item 7" in one.advice
    assert one.evidence["low"] < 3 < one.evidence["high"]
    assert (one.evidence["members"], one.evidence["others"]) == (7, 43)
    assert one.strength == "moderate evidence", "a week of days is few"


def test_rising_of_young_items_is_not_asked() -> None:
    """An item in its early life is expected to gain views."""
    gains = [[10.0 * day for day in range(40)]]
    assert paces(followed(gains, age_days=0)) == []
    assert len(paces(followed(gains, age_days=100))) == 1


def test_rising_days_without_a_reading_are_unknown() -> None:
    """The gain over a gap is not one day's gain, and a fall is not a gain."""
    data = followed([[100.0] * 40])
    holed = replace(
        data, item_snapshots=data.item_snapshots.filter(pl.col("observed_at") != START + 36 * DAY)
    )
    (whole,), (part,) = paces(data), paces(holed)
    assert (whole.recent, part.recent) == (7, 5)
    assert part.ratio == pytest.approx(1)


@given(st.lists(st.integers(1, 10_000), min_size=30, max_size=60), st.integers(2, 50))
def test_rising_has_no_unit(own: list[int], factor: int) -> None:
    """Only an item's own pace counts, not how much it gains."""
    gains = [1000.0 + value for value in own]
    (one,), (more,) = paces(followed([gains])), paces(followed([[factor * g for g in gains]]))
    assert more.ratio == pytest.approx(one.ratio, rel=0.01)
    assert more.low <= more.ratio <= more.high


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_rising_is_rare_where_nothing_rises(memory: float) -> None:
    """Of 300 items with noise, serially dependent or not, about 5 % are below 0.05."""
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.4, (300, 63))
    for day in range(1, 63):
        noise[:, day] = memory * noise[:, day - 1] + np.sqrt(1 - memory**2) * noise[:, day]
    found = paces(followed((300 * np.exp(noise)).tolist()))
    assert len(found) == 300
    assert np.mean([pace.p <= 0.05 for pace in found]) <= 0.08


def test_rising_items_are_one_question_of_the_channel() -> None:
    """However many items are tested, the other questions are not corrected for them."""
    rng = np.random.default_rng(5)
    found = findings(followed(rng.poisson(100, (200, 50)).astype(float).tolist()))
    assert len(found.rises) == 200
    assert min(rise.p_adjusted for rise in found.rises) > 0.05
