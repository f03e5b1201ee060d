"""Any data gives an analysis that is finite, ordered, repeatable and valid JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.analysis import ChannelAnalysis, analyze
from jobs.channel.data import GAINS, ITEM_GAINS
from tests.unit.analysis.channels import Item, channel_data, growing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.channel.data import ChannelData

count = st.one_of(st.none(), st.just(0), st.integers(0, 50), st.integers(0, 10**15))
walk = st.builds(
    lambda start, steps: [max(0, start + sum(steps[: i + 1])) for i in range(len(steps))],
    st.integers(0, 10**9),
    st.lists(st.integers(-50, 10**5), min_size=1, max_size=70),
)
counter = st.one_of(st.lists(count, max_size=70), walk)
item = st.builds(
    Item,
    published_day=st.floats(-900, 90),
    views=count,
    likes=count,
    comments=count,
    duration_s=st.one_of(st.none(), st.integers(0, 10**5)),
    read_day=st.floats(-30, 90),
)


@st.composite
def channels(draw: st.DrawFn) -> ChannelData:
    """Draw a channel with any counters, days missing or read twice, and any items."""
    views, subscribers = draw(counter), draw(counter)
    length = min(len(views), len(subscribers))
    steps = draw(st.lists(st.integers(0, 3), min_size=length, max_size=length))
    data = channel_data(
        views=views[:length],
        subscribers=subscribers[:length],
        days=[sum(steps[: i + 1]) for i in range(length)],
        items=draw(st.lists(item, max_size=40)),
    )
    net = draw(st.one_of(st.just([]), st.lists(st.integers(-5, 10**6), max_size=60)))
    days = [date(2026, 1, 5) + timedelta(days=i) for i in range(len(net))]
    gains = pl.DataFrame([days, [max(0, one) for one in net], net], schema=GAINS)
    return replace(data, gains=gains)


def numbers(document: Any) -> Iterator[float]:
    """Yield every number in *document*."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from numbers(one)
    elif isinstance(document, int | float):
        yield document


def in_order(document: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each interval in *document* with whether its ends are in order."""
    if isinstance(document, dict):
        if document.get("low") is not None and document.get("high") is not None:
            yield document, document["low"] <= document["high"]
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from in_order(one)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(channels())
def test_analysis_of_odd_data_is_sound(data: ChannelData) -> None:
    """No NaN, no infinity, no inverted interval; storing and reading it back changes nothing."""
    analysis = analyze(data)
    document = analysis.model_dump(mode="json")
    assert all(math.isfinite(one) for one in numbers(document))
    assert [found for found, right in in_order(document) if not right] == []
    assert ChannelAnalysis.model_validate(json.loads(json.dumps(document))) == analysis


@pytest.mark.parametrize("readings", [[7], [7] * 60, [0] * 60, [None] * 60, [10**15] * 60])
def test_analysis_of_a_counter_that_says_nothing(readings: list[int | None]) -> None:
    """One reading, constant readings, zeros and empty cells give no growth."""
    analysis = analyze(channel_data(views=readings, subscribers=readings))
    assert all(math.isfinite(one) for one in numbers(analysis.model_dump(mode="json")))
    if analysis.growth.present and analysis.growth.subscribers.present:
        assert analysis.growth.subscribers.change == 0
    if analysis.forecast.present and analysis.forecast.views.present:
        assert analysis.forecast.views.week == 0
    if analysis.milestones.present:
        assert (analysis.milestones.reached, analysis.milestones.expected) == ([], [])


def test_analysis_does_not_depend_on_the_calendar() -> None:
    """Moving the data by a year and a half changes nothing about its views."""
    here = channel_data(views=growing(50), subscribers=[900 + 3 * d for d in range(50)])
    later = replace(here, daily=here.daily.with_columns(pl.col("observed_at").dt.offset_by("546d")))
    one, other = analyze(here), analyze(later)
    assert one.forecast.present
    assert other.forecast.present
    assert one.forecast.views.present
    assert other.forecast.views.present
    assert [d.value for d in other.forecast.views.days] == pytest.approx(
        [d.value for d in one.forecast.views.days]
    )
    assert one.trends.present
    assert other.trends.present
    assert one.trends.subscribers.model_dump(exclude={"first_day", "last_day"}) == (
        other.trends.subscribers.model_dump(exclude={"first_day", "last_day"})
    )


def test_analysis_uses_exported_gains_unchanged() -> None:
    """An owner's export alone gives views and net subscribers per day, and single items."""
    days = [date(2026, 1, 5) + timedelta(days=i) for i in range(60)]
    gains = pl.DataFrame([days, [1_000 + i for i in range(60)], [i % 7 for i in range(60)]], GAINS)
    each = pl.DataFrame(
        [(f"v{i}", day, 10) for i in range(1, 13) for day in days],
        schema=ITEM_GAINS,
        orient="row",
    )
    items = [Item(-100.0 + 9 * i, views=500) for i in range(13)]
    analysis = analyze(replace(channel_data(items=items), gains=gains, item_gains=each))
    assert analysis.forecast.present
    assert analysis.forecast.views.present
    assert analysis.trends.present
    assert analysis.trends.subscribers.present
    assert analysis.trends.subscribers.per_week == pytest.approx(21, abs=0.5)
    assert analysis.catalogue.present
    assert analysis.catalogue.old_items > 8
