"""How often to publish is asked about whole weeks, and only if they can answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.analysis import analyze
from jobs.recommendations import advise
from jobs.recommendations.advice import findings
from jobs.recommendations.permutation import permutation_p
from jobs.recommendations.sample import sample
from jobs.recommendations.weeks import weeks
from tests.unit.analysis.channels import Item, channel_data

if TYPE_CHECKING:
    from jobs.channel.data import ChannelData
    from jobs.recommendations.advice import Finding

CALM, BUSY = 2, 6


def weekly(
    seed: int, *, factor: float = 1.0, shock: float = 0.0, length: int = 30, busy: int = BUSY
) -> ChannelData:
    """
    Make a channel with two videos in some of *length* weeks and *busy* in others.

    Each video of a busy week gets *factor* times the views; *shock* is the spread of the luck that
    all videos of a week share.
    """
    rng = np.random.default_rng(seed)
    items: list[Item] = []
    for week in range(length):
        is_busy = bool(rng.random() < 0.4)
        luck = rng.lognormal(9, 0.3) * rng.lognormal(0, shock) if shock else 8_000.0
        items += [
            Item(
                published_day=7 * week + float(day),
                views=int(luck * rng.lognormal(0, 0.4) * (factor if is_busy else 1)),
            )
            for day in np.sort(rng.uniform(0, 6.5, busy if is_busy else CALM))
        ]
    return channel_data(items=items)


def asked(data: ChannelData) -> list[Finding]:
    """Return the questions about how often to publish."""
    return [one for one in findings(data).splits if one.question.subject == "rate"]


@pytest.mark.parametrize(
    ("factor", "advice"),
    [
        (0.5, "Where it counts what each video reaches, publish at most 2 a week."),
        (2.0, "Publish more than 2 videos a week when you can: in such weeks each reaches more."),
    ],
)
def test_rate_that_matters_is_advised(factor: float, advice: str) -> None:
    """Half or twice the views in busy weeks is found, with the number of weeks and both rates."""
    data = weekly(3, factor=factor)
    (one,) = [one for one in advise(data, analyze(data)).recommendations if one.key == "rate:busy"]
    assert one.advice == advice
    assert one.evidence["low"] < factor < one.evidence["high"]
    assert one.evidence["members"] + one.evidence["others"] == 28
    assert " weeks against " in one.evidence["sentence"]
    assert "Such weeks had 6 videos on average, the others 2." in one.evidence["sentence"]


def test_rate_that_does_not_matter_is_no_evidence() -> None:
    """The subject has an answer in words, with the result."""
    data = weekly(5)
    (answer,) = [a for a in advise(data, analyze(data)).answers if a["subject"] == "rate"]
    assert answer["about"] == "how often to publish"
    assert answer["strength"] == "no evidence"
    assert answer["evidence"] is not None


def test_rate_is_not_asked_where_weeks_are_alike() -> None:
    """Equal weeks, too few weeks or none cannot be compared."""
    for data in (weekly(1, busy=CALM), weekly(1, length=10), channel_data()):
        assert asked(data) == []
        (answer,) = [a for a in advise(data, analyze(data)).answers if a["subject"] == "rate"]
        assert answer["strength"] == "not asked"
        assert "12 whole weeks" in answer["sentence"]


def test_rate_is_not_asked_where_a_week_is_its_own_measure() -> None:
    """With thirty videos a week, the peers of a video are those of its own week."""
    assert asked(weekly(1, busy=30)) == []


@pytest.mark.parametrize("shock", [0.0, 0.8])
def test_rate_by_luck_is_found_in_one_of_twenty(shock: float) -> None:
    """The test keeps its level even if all videos of a week share their luck."""
    below, channels = 0, 0
    for seed in range(300):
        data = weekly(seed, shock=shock, length=26)
        found = weeks(data, sample(data.items, by_format=True))
        if found is not None:
            channels += 1
            of = found.sample
            below += permutation_p(of.score, of.stratum, found.busy[:, None])[0] <= 0.05
    assert channels > 200
    assert below / channels < 0.05 + 3 * (0.05 * 0.95 / channels) ** 0.5
