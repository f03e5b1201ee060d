"""A channel costs as much of a day's quota as the plan says."""

from __future__ import annotations

import pytest

from jobs.sources.youtube.plan import cost_of_everything, cost_per_day


@pytest.mark.parametrize(("videos", "units"), [(0, 2), (1, 3), (50, 3), (51, 5), (20_000, 801)])
def test_whole_pass_costs_a_page_and_a_batch_for_fifty(videos: int, units: int) -> None:
    """One unit for the channel, one for each page, one for each batch."""
    assert cost_of_everything(videos) == units


@pytest.mark.parametrize(
    ("videos", "recent", "young", "syncs", "units"),
    [
        (500, 7, 90, 4, 15.4),  # daily, adaptive: every six hours
        (500, 7, 90, 24, 75.4),  # the same, every hour
        (100, 1, 13, 1, 3.3),  # weekly, once a day
        (100, 0, 0, 1, 2.4),  # dormant
    ],
)
def test_channel_costs_what_the_docs_say(
    videos: int, recent: int, young: int, syncs: float, units: float
) -> None:
    """The examples of docs/sources.md."""
    assert cost_per_day(videos, recent=recent, young=young, syncs=syncs) == pytest.approx(
        units, abs=0.05
    )
