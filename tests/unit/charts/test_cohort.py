"""A channel's place among those that are most like it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.analysis import analyze
from jobs.charts.cohort import cohort_sentence
from jobs.charts.document import compose
from tests.unit.analysis.channels import CHANNEL, channel_data

ANALYSIS = analyze(channel_data(views=[10_000 + 100 * day for day in range(30)]))


def peer(before: int, after: int, last_day: str = "2026-02-03") -> dict[str, Any]:
    """Return what a similar channel's report says of two weeks."""
    return {"last_day": last_day, "gains": [*[before] * 7, *[after] * 7]}


def test_rank_and_change_stand_beside_those_of_similar_channels() -> None:
    """The sentence is on the first page."""
    peers = [peer(100, 200), peer(80, 80), peer(50, 40), peer(10, 10)]
    said = cohort_sentence(ANALYSIS, peers)
    assert said == (
        "Beside 4 similar channels this one is number 2 of 5 by views a day: 100, half of the "
        "others 60 or less. On the week before it has ±0%, the median of the others ±0%."
    )
    assert said in compose(CHANNEL, ANALYSIS, [], [], peers=peers).what_changed[:3]


@pytest.mark.parametrize(
    "peers",
    [
        [],
        [peer(100, 200)] * 2,
        [peer(100, 200, "2025-02-03")] * 9,
        [peer(0, 200)] * 9,
        [{"last_day": None, "gains": []}] * 9,
        [{"last_day": "2026-02-03", "gains": [None] * 12 + [5, 6]}] * 9,
    ],
)
def test_few_old_or_unknown_channels_make_no_rank(peers: list[dict[str, Any]]) -> None:
    """Nothing is said instead of little."""
    assert cohort_sentence(ANALYSIS, peers) is None
