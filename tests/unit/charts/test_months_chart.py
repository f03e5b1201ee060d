"""Months are drawn if two are whole; the title compares the newest one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from jobs.analysis import analyze
from jobs.channel.data import GAINS
from jobs.charts.months import months
from jobs.charts.subscribers_gained import subscribers_gained
from jobs.charts.what_changed import what_changed
from tests.unit.analysis.channels import START, channel_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.channel.data import ChannelData
    from jobs.charts import Chart


def exported(views: Sequence[int | None], subscribers: Sequence[int | None] = ()) -> ChannelData:
    """Make a channel with an export of each day from START on."""
    days = [(START + timedelta(days=i)).date() for i in range(len(views))]
    columns = {"day": days, "views": views, "subscribers": subscribers or [None] * len(views)}
    return replace(channel_data(), gains=pl.DataFrame(columns, schema=GAINS))


def drawn(data: ChannelData) -> Chart:
    """Draw the months of *data*, which must exist."""
    chart = months(data, analyze(data))
    assert chart is not None
    return chart


def drawn_rows(chart: Chart, layer: int) -> list[dict[str, Any]]:
    """Return the rows of a layer: the bars, or the lines across them."""
    name = chart.spec["layer"][layer]["data"]["name"]
    found: list[dict[str, Any]] = chart.spec["datasets"][name]
    return found


def test_months_title_compares_the_newest_whole_one() -> None:
    """The title compares with the month before and a year before, a line across the bar."""
    chart = drawn(exported([100] * 361 + [150] * 31 + [120] * 28 + [300] * 10))
    assert chart.title == (
        "February 2027 brought 120 views a day, −20% on January and +20% on February 2026"
    )
    # The first month is incomplete, so the same month a year later has no comparison.
    assert [line["views"] for line in drawn_rows(chart, 1)] == [100, 100]
    assert chart.spec["usermeta"]["table"]["rows"][1][4:] == ["−20%", "+20%"]


def test_months_without_a_year_are_compared_with_the_one_before() -> None:
    """Of five months from January on, the first and the last are incomplete and light."""
    chart = drawn(exported([100] * 100 + [200] * 20 + [180] * 11))
    assert chart.title == "April 2026 brought 153 views a day, +53% on March"
    assert [bar["whole"] for bar in drawn_rows(chart, 0)] == [False, True, True, True, False]
    assert "a year before" not in " ".join(chart.spec["title"]["subtitle"])
    newest, april, *_ = chart.spec["usermeta"]["table"]["rows"]
    assert newest == ["May 2026", "2,780", "185", "15 of 31", "", ""]
    assert april == ["Apr 2026", "4,600", "153", "30 of 30", "+53%", ""]


@pytest.mark.parametrize("days", [[], [5] * 80, [None] * 200])
def test_months_are_not_drawn_of_less_than_two(days: list[int | None]) -> None:
    """No days, one whole month between two incomplete ones, and unknown days give no chart."""
    data = exported(days)
    assert months(data, analyze(data)) is None


def test_month_after_one_without_views_has_no_change() -> None:
    """A month without views is no basis for a change."""
    chart = drawn(exported([0] * 55 + [10] * 40))
    assert chart.title == "March 2026 brought 10 views a day"


def test_story_tells_a_year_and_what_the_last_week_does_not() -> None:
    """Clear changes over four weeks are reported with intervals, others left out."""
    rhythm = [100, 110, 90, 100, 120, 95, 105]
    same = exported(rhythm * 60)
    assert "28 days" not in " ".join(what_changed(analyze(same)))
    doubled = exported(rhythm * 56 + [2 * day for day in rhythm * 4])
    assert (
        "Over the last 28 days, 206 views a day, +100% on the 28 before (95% interval +100% to "
        "+100%) and +100% on the same weeks a year before (95% interval +100% to +100%)."
    ) in what_changed(analyze(doubled))


def test_subscribers_gained_are_reported_and_drawn() -> None:
    """An export with only net subscribers gets its figure, sentence and chart."""
    data = exported([None] * 30, [2, -1, 3] * 10)
    analysis = analyze(data)
    assert "+40 subscribers, net, in 30 days up to 3 Feb 2026: +11 in the last 7." in what_changed(
        analysis
    )
    chart = subscribers_gained(data, analysis)
    assert chart is not None
    assert chart.title == "+40 subscribers, net, in 30 days"
    assert chart.spec["usermeta"]["table"]["rows"][0] == ["3 Feb 2026", "+3", "+40"]
    assert subscribers_gained(exported([1] * 30), analyze(exported([1] * 30))) is None
