"""What an owner may try: only what is clearly low, with what the figures cannot say."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from jobs.analysis import analyze
from jobs.channel.data import FIGURES
from jobs.charts.document import compose
from jobs.recommendations.trials import trials
from tests.unit.analysis.channels import Item, channel_data
from tests.unit.analysis.test_owner_figures import ITEMS, TOTALS, days, owned


def test_a_low_share_is_worth_a_trial() -> None:
    """The most missed clicks first; a video that is clicked and left is another question."""
    items = [dict(one) for one in ITEMS]
    items[3] |= {"click_through": 0.012, "impressions": 90_000, "viewed": 0.5}
    items[6] |= {"click_through": 0.01, "impressions": 1_100}
    items[8] |= {"viewed": 0.1, "click_through": 0.04}
    thumbnail, beginning = trials(analyze(owned(items, [TOTALS])))
    assert thumbnail.advice == "Try another thumbnail or title for “Video 3”."
    assert thumbnail.title == (
        "It earned a click on 1.2% of 90K impressions, 0.38× the 3.2% usual here; those who came "
        "watched 1.2× what is usual for its length"
    )
    assert "only a trial tells" in thumbnail.caution
    assert beginning.advice.startswith("Look at how “Video 8” begins")
    assert beginning.title.startswith(
        "It is clicked 1.2× as often as usual, and 10% of it is watched"
    )


def test_chance_is_no_reason_for_a_trial() -> None:
    """A share that is a little low, or low of few impressions, suggests nothing."""
    items = [dict(one) for one in ITEMS]
    items[3] |= {"click_through": 0.025}
    items[6] |= {"click_through": 0.018, "impressions": 1_000}
    assert trials(analyze(owned(items, [TOTALS]))) == []


def test_a_fall_says_where_to_look() -> None:
    """Where impressions made it, thumbnails are not at fault; the report has it as a trial."""
    shown = [20_000] * 7 + [10_000] * 7
    frame = days([n // 20 + 100 for n in shown], shown, [0.05] * 14)
    gains = frame.select(pl.col("first").alias("day"), "views", pl.lit(None, pl.Int64).alias("s"))
    data = replace(
        channel_data(items=[Item(1, 100)]), figures=frame, gains=gains.rename({"s": "subscribers"})
    )
    analysis = analyze(data)
    (advice,) = compose(data.channel, analysis, [], []).advice
    assert advice.strength == "to try"
    assert advice.advice.startswith("Look at what is shown")
    assert advice.title.startswith("Fewer impressions make −500 of the −500 views a day")


def test_who_came_back_is_said_with_its_chance() -> None:
    """A share that moved on each weekday is no chance; one that moved to and fro may be."""

    def of(known: list[int]) -> str:
        frame = days([100] * 14, [1_000] * 14, [0.05] * 14).with_columns(
            pl.lit(80).cast(pl.Int64).alias("new_viewers"), pl.Series("returning_viewers", known)
        )
        data = replace(channel_data(items=[Item(1, 100)]), figures=frame.select(FIGURES.names()))
        document = compose(data.channel, analyze(data), [], [])
        return next(one for one in document.why_it_matters if "had watched before" in one)

    assert of([20] * 7 + [30] * 7) == (
        "Of a day's viewers 27% had watched before, 20% in the 7 before (110 viewers a day in the "
        "7 days up to 1 Mar 2026)."
    )
    assert "which may be chance" in of([20] * 7 + [30, 10] * 3 + [30])
