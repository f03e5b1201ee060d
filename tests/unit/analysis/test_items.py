"""Items are compared with items of similar age, and reactions with views."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jobs.analysis.engagement import Engagement, Rate, engagement, per_thousand
from jobs.analysis.items import Items, items
from jobs.analysis.reach import OUTLIER_SCORE, reach
from jobs.analysis.section import Missing
from tests.unit.analysis.channels import Item, catalogue, channel_data

views_of = arrays.arrays(float, 30, elements=st.integers(0, 10**7).map(float))
AGES = np.geomspace(20, 60, 30)


@given(views_of, st.sampled_from([0.5, 2.0, 24.0]))
def test_reach_does_not_depend_on_the_unit_of_age(
    views: np.ndarray[tuple[int], np.dtype[np.float64]], factor: float
) -> None:
    """Ages in hours give the same result as ages in days."""
    np.testing.assert_allclose(reach(AGES, views).ratio, reach(factor * AGES, views).ratio)


@given(views_of, st.permutations(range(30)))
def test_reach_does_not_depend_on_the_order(
    views: np.ndarray[tuple[int], np.dtype[np.float64]], order: list[int]
) -> None:
    """Shuffling the list only shuffles the results."""
    there = reach(AGES[order], views[order])
    np.testing.assert_allclose(there.ratio, reach(AGES, views).ratio[order])
    np.testing.assert_allclose(there.score, reach(AGES, views).score[order])


def test_reach_compares_only_items_of_like_age() -> None:
    """A new item among old ones is not a laggard: it has no peers yet."""
    ages = np.array([0.5, *np.linspace(300, 400, 20)])
    found = reach(ages, np.array([10.0, *np.linspace(9_000, 11_000, 20)]))
    assert np.isnan(found.ratio[0])
    assert not np.isnan(found.ratio[1:]).any()


def test_reach_finds_what_stands_out() -> None:
    """Ten times the usual is an outlier, twice the usual is not, even side by side."""
    views = np.random.default_rng(5).lognormal(9, 0.25, 30)
    views[10], views[20] = 10 * np.median(views), 2 * np.median(views)
    found = reach(AGES, views)
    assert found.score[10] > OUTLIER_SCORE > found.score[20]
    assert found.ratio[10] == pytest.approx(10, rel=0.3)


def test_reach_of_equal_items_has_no_score() -> None:
    """Where nothing varies, nothing stands out."""
    found = reach(AGES, np.full(30, 500.0))
    np.testing.assert_allclose(found.ratio, 1)
    assert np.isnan(found.score).all()


def test_items_are_ranked_and_counted() -> None:
    """The most viewed come first, the outlier is named, and the shares are right."""
    listed = [*catalogue(40), Item(20.5, views=400_000, title="The hit"), Item(30.0, views=None)]
    found = items(channel_data(items=listed))
    assert isinstance(found, Items)
    assert (found.listed, found.counted) == (42, 41)
    assert found.top[0].title == "The hit"
    assert [item.views for item in found.top] == sorted(
        (item.views for item in found.top), reverse=True
    )
    assert [item.title for item in found.standouts] == ["The hit"]
    assert found.top_share == pytest.approx(sum(i.views for i in found.top) / found.views)


def test_items_without_views_are_missing() -> None:
    """A podcast without counters and a channel without items each get a reason."""
    for listed in ([], [Item(float(i)) for i in range(30)]):
        assert isinstance(items(channel_data(items=listed)), Missing)
        assert isinstance(engagement(channel_data(items=listed)), Missing)


@given(views_of, st.sampled_from([2.0, 8.0]))
def test_engagement_has_no_unit(
    views: np.ndarray[tuple[int], np.dtype[np.float64]], factor: float
) -> None:
    """Twice the views and twice the likes give the same rate, if there are enough views."""
    here, there = per_thousand(views / 50, views), per_thousand(factor * views / 50, factor * views)
    enough = ~np.isnan(here)
    np.testing.assert_allclose(here[enough], there[enough])


def test_engagement_leaves_out_items_with_few_views() -> None:
    """One like on two views is not 500 per thousand."""
    listed = [Item(float(i), views=1_000, likes=40, comments=None) for i in range(6)]
    found = engagement(channel_data(items=[*listed, Item(9.0, views=2, likes=1)]))
    assert isinstance(found, Engagement)
    assert isinstance(found.likes, Rate)
    assert (found.likes.items, found.likes.median) == (6, 40)
    assert isinstance(found.comments, Missing)
    assert found.comments.reason == "The source gives no comments."
