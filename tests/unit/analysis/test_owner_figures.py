"""What an owner's figures say: what is clicked, what holds viewers, why views changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from jobs.analysis import analyze
from jobs.analysis.owner_days import views_explained
from jobs.analysis.owner_figures import owner_figures
from jobs.channel.data import FIGURES, ITEM_FIGURES
from jobs.channel.records import FROM_THE_FIRST
from jobs.charts.build import build_charts
from jobs.charts.key_figures import key_figures
from jobs.charts.story import missing_reasons, why_it_matters
from jobs.charts.what_changed import what_changed
from tests.unit.analysis.channels import Item, channel_data

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData

LAST = date(2026, 3, 1)
"""A Sunday."""


def owned(items: list[dict[str, Any]], figures: list[dict[str, Any]] | None = None) -> ChannelData:
    """Make a channel of items of five minutes, with these figures of each and of the channel."""
    base = channel_data(items=[Item(n, 900 + n, title=f"Video {n}") for n in range(len(items))])
    of_items = [
        {"item_id": f"v{n}", "first": FROM_THE_FIRST, "last": LAST, **one}
        for n, one in enumerate(items)
    ]
    return replace(
        base,
        item_figures=pl.DataFrame(of_items, schema=ITEM_FIGURES).sort("item_id"),
        figures=pl.DataFrame(figures or [], schema=FIGURES),
    )


TOTALS = {
    "first": FROM_THE_FIRST,
    "last": LAST,
    "views": 20_000,
    "impressions": 400_000,
    "click_through": 0.031,
    "watch_s": 7_200_000,
    "view_s": 95,
    "subscribers": 90,
}
ITEMS = [
    {
        "views": 1_000,
        "impressions": 20_000,
        "click_through": 0.03 + 0.001 * (n % 5),
        "viewed": 0.4 + 0.01 * (n % 7),
        "subscribers": 3,
    }
    for n in range(20)
]


def test_without_figures_nothing_is_said() -> None:
    """A public channel has none, and its report does not list what it cannot have."""
    data = channel_data(items=[Item(n, 100) for n in range(12)])
    analysis = analyze(data)
    assert not analysis.owner.present
    assert not [reason for reason in missing_reasons(analysis) if "impressions" in reason]


def test_what_is_clicked_held_and_subscribed_to() -> None:
    """The best of each is named beside what is usual, with the span and what it rests on."""
    items = [dict(one) for one in ITEMS]
    items[4]["click_through"] = 0.09
    items[5] |= {"click_through": 0.5, "impressions": 40}  # too few to say anything
    items[9]["viewed"] = 0.9
    items[12]["subscribers"] = 33
    analysis = analyze(owned(items, [{**TOTALS, "subscribers": 120}]))
    clicked, held, brought = why_it_matters(analysis)[:3]
    assert clicked == (
        "“Video 4” earned a click on 9.0% of 20K impressions, 2.8× the 3.2% usual here (the middle "
        "of 19 videos shown 1,000 times or more, all until 1 Mar 2026)."
    )
    assert held.startswith("“Video 9” holds its viewers: 90% of it is watched on average, 2.1× ")
    assert brought == (
        "“Video 12” brought most subscribers, 33 of the net 90 that 20 videos brought (4.5 per "
        "1,000 views, all until 1 Mar 2026; 120 in all came to the channel)."
    )
    items[12]["subscribers"] = 4
    assert "most subscribers" not in "".join(why_it_matters(analyze(owned(items, [TOTALS]))))
    figures = {one.label: (one.value, one.note) for one in key_figures(analysis)}
    assert figures["Click-through"] == ("3.1%", "of 400K impressions, all until 1 Mar 2026")
    assert figures["Average view"] == ("1:35", "2,000 hours watched, all until 1 Mar 2026")


def test_viewers_who_came_back_and_stayed() -> None:
    """Both are said where the channel's totals have them."""
    totals = {**TOTALS, "new_viewers": 3_200, "returning_viewers": 1_100, "stayed": 0.714}
    sentences = why_it_matters(analyze(owned([dict(one) for one in ITEMS], [totals])))
    assert "1,100 returning viewers beside 3,200 new ones (all until 1 Mar 2026)." in sentences
    assert "71% stayed to watch, the others swiped away (all until 1 Mar 2026)." in sentences


def test_the_share_watched_follows_from_watch_time() -> None:
    """Where an export has no percentage, the average view over the length is one."""
    items = [{"views": 1_000, "watch_s": 1_000 * (150 + n)} for n in range(12)]
    found = owner_figures(owned(items))
    assert found.present
    assert found.held.present
    assert found.held.median == pytest.approx(155.5 / 600)
    assert not found.clicks.present
    assert "none have" in found.clicks.reason


def test_the_newest_and_widest_span_counts() -> None:
    """An older export of another range adds nothing to it."""
    data = owned([dict(one) for one in ITEMS], [TOTALS])
    older = data.item_figures.with_columns(
        pl.lit(date(2025, 1, 1)).alias("last"), (pl.col("click_through") * 9).alias("click_through")
    )
    narrow = data.item_figures.with_columns(
        pl.lit(date(2026, 2, 1)).alias("first"),
        (pl.col("click_through") * 5).alias("click_through"),
    )
    more = replace(data, item_figures=pl.concat([data.item_figures, older, narrow]))
    assert owner_figures(more) == owner_figures(data)


def days(views: Any, impressions: Any, rates: Any) -> pl.DataFrame:
    """Make the figures of the newest days."""
    first = LAST - timedelta(days=len(views) - 1)
    return pl.DataFrame(
        [
            {
                "first": first + timedelta(days=n),
                "last": first + timedelta(days=n),
                "views": int(view),
                "impressions": int(shown),
                "click_through": float(rate),
            }
            for n, (view, shown, rate) in enumerate(zip(views, impressions, rates, strict=True))
        ],
        schema=FIGURES,
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_a_change_are_the_change(seed: int) -> None:
    """Whatever the numbers are, impressions, clicks and the rest add up exactly."""
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, 50_000, 14)
    rates = rng.uniform(0, 0.2, 14)
    views = rng.integers(0, 9_000, 14)
    found = views_explained(days(views, shown, rates))
    assert found.present
    parts = found.by_impressions + found.by_clicks + found.by_others
    assert parts == pytest.approx(found.after - found.before)
    assert found.after == pytest.approx(views[-7:].mean())


def test_fewer_impressions_explain_fewer_views() -> None:
    """With the same click-through and no other views, all of the fall is theirs."""
    shown = [20_000] * 7 + [10_000] * 7
    found = views_explained(days([n // 20 for n in shown], shown, [0.05] * 14))
    assert found.present
    parts = [found.by_impressions, found.by_clicks, found.by_others]
    assert parts == pytest.approx([-500, 0, 0])


def test_a_clear_change_is_explained() -> None:
    """The sentence gives the three parts, what each was before, and the days."""
    shown = [20_000] * 7 + [10_000] * 7
    frame = days([n // 20 + 100 for n in shown], shown, [0.05] * 14)
    gains = frame.select(pl.col("first").alias("day"), "views", pl.lit(None, pl.Int64).alias("s"))
    data = replace(
        channel_data(items=[Item(1, 100)]), figures=frame, gains=gains.rename({"s": "subscribers"})
    )
    assert what_changed(analyze(data))[1] == (
        "Of the −500 views a day, −500 come from impressions (10K a day, 20K before), ±0 from "
        "their click-through (5.0%, 5.0% before) and ±0 from views without an impression "
        "(7 weekdays of the 7 days up to 1 Mar 2026 and the 7 before)."
    )


def test_a_change_needs_both_weeks() -> None:
    """Days without impressions are left out, with their weekday of the other week."""
    frame = days([100] * 14, [1_000] * 14, [0.05] * 14)
    gaps = frame.with_columns(
        pl.when(pl.col("first") < LAST - timedelta(days=8)).then(pl.col("impressions"))
    )
    found = views_explained(gaps)
    assert not found.present
    assert "known on 0 of 7 weekdays" in found.reason


def test_the_chart_has_all_that_the_owner_knows() -> None:
    """Its table has a row for each of the most shown items."""
    data = owned([dict(one) for one in ITEMS], [TOTALS])
    chart = next(one for one in build_charts(data, analyze(data)) if one.key == "click-through")
    assert chart.title == "A typical video earns a click on 3.2% of its impressions"
    table = chart.spec["usermeta"]["table"]
    assert table["rows"][0][1:] == ["20K", "3.0%", "1,000", "40%", "+3"]
    assert len(table["rows"]) == 15
