"""Advice follows from evidence only."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from jobs.analysis import analyze
from jobs.analysis.wording import WEEKDAYS, times
from jobs.recommendations import Recommendation, advise, nothing_asked, recommend, why_none
from jobs.recommendations.advice import SUBJECTS, Findings, findings
from jobs.sources import open_source
from tests.real_data import data_path
from tests.unit.analysis.channels import (
    CHANNEL,
    Item,
    catalogue,
    channel_data,
    growing,
    of_reading,
)


def advice_for(items: list[Item], **more: list[int | None]) -> list[Recommendation]:
    """Recommend for a channel with *items*."""
    data = channel_data(items=items, counted=more.get("counted", ()))
    return recommend(data, analyze(data))


def favoured(items: list[Item], weekday: int, factor: float) -> list[Item]:
    """Give the items of one weekday *factor* times the views."""
    return [
        replace(item, views=int((item.views or 0) * factor))
        if int(item.published_day) % 7 == weekday
        else item
        for item in items
    ]


def at_changing_pace(items: list[Item], rng: np.random.Generator) -> list[Item]:
    """Return the items on other days: every other week is busy, with random results."""
    gaps = [day for _ in range(9) for day in (*[3.0] * 2, *[1.1] * 6)]
    days = np.cumsum(np.array(gaps) * rng.uniform(0.6, 1.4, len(gaps)))
    return [replace(item, published_day=float(days[i])) for i, item in enumerate(items)]


def test_advice_finds_a_day_that_does_better() -> None:
    """Much better Sundays are recommended, with an interval that covers the true factor."""
    (one, *_) = advice_for(favoured(catalogue(120, every_days=1.7), 6, 2.6))
    assert one.key == "weekday:sunday"
    assert "Publish on Sundays" in one.advice
    assert one.strength == "strong evidence"
    assert one.evidence["low"] < 2.6 < one.evidence["high"]
    assert one.evidence["p"] <= one.evidence["p_adjusted"] <= 0.05
    assert f"{one.evidence['questions']} questions" in one.evidence["sentence"]


def test_advice_is_never_taken_from_a_list_of_successes() -> None:
    """For a list of successes nothing is tested, and every subject says so."""
    items = favoured(catalogue(120, every_days=1.7), 6, 2.6)
    data = channel_data(items=items, channel=replace(CHANNEL, successes_only=True))
    analysis = analyze(data)
    advice = advise(data, analysis)
    assert advice.recommendations == []
    by_subject = {one["about"]: one for one in advice.answers}
    assert all(by_subject[about]["strength"] == "not asked" for about in SUBJECTS.values())
    assert "only while they do well" in by_subject["on which weekday to publish"]["sentence"]
    assert "only while they do well" in why_none(analysis)


def test_advice_warns_of_a_day_that_does_worse() -> None:
    """Mondays with a third of the views are advised against."""
    (one, *_) = advice_for(favoured(catalogue(120, every_days=1.7), 0, 1 / 3))
    assert one.key == "weekday:monday"
    assert one.advice == "Prefer other days to Monday."
    assert "fewer views than" in one.title


def test_advice_finds_a_length_that_does_better() -> None:
    """Ten-minute videos with three times the views are recommended."""
    items = [
        replace(item, views=3 * (item.views or 0)) if item.duration_s == 600 else item
        for item in catalogue(80)
    ]
    keys = [one.key for one in advice_for(items)]
    assert keys[0] == "length:3-10"
    assert sum(key.startswith("length") for key in keys) == 1


def test_advice_does_not_take_formats_for_days() -> None:
    """Short items that do better and come out on Tuesdays say nothing about Tuesdays."""
    items = [
        replace(
            item,
            duration_s=45 if int(item.published_day) % 7 == 1 else 600,
            views=(5 if int(item.published_day) % 7 == 1 else 1) * (item.views or 0),
        )
        for item in catalogue(150, every_days=1.3)
    ]
    keys = [one.key for one in advice_for(items)]
    assert "format:short" in keys
    assert "weekday:tuesday" not in keys


def test_advice_on_a_partial_list_is_never_called_strong() -> None:
    """If the source lists only some items, the evidence says so and is never strong."""
    items = favoured(catalogue(120, every_days=1.7), 6, 2.6)
    (one, *_) = advice_for(items, counted=[5_000, 5_000])
    assert one.strength == "moderate evidence"
    assert one.evidence["partial"]
    assert "only a part" in one.evidence["sentence"]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "lists no items"),
        ([Item(7.0 * i) for i in range(50)], "gives no views of single items"),
        (catalogue(15), "15 videos can be compared"),
        (catalogue(40), "no difference was larger than chance explains"),
    ],
)
def test_advice_without_evidence_is_silence_with_a_reason(items: list[Item], reason: str) -> None:
    """No items, no views, too few or no finding: no advice, but a reason in words."""
    data = channel_data(items=items)
    analysis = analyze(data)
    assert recommend(data, analysis) == []
    assert reason in why_none(analysis)
    assert why_none(analysis).startswith("No recommendation has enough evidence yet: ")


def test_channel_without_items_is_asked_nothing() -> None:
    """With counters alone nothing is tested, and each subject says what it needs."""
    data = channel_data(views=growing(90))
    advice = advise(data, analyze(data))
    assert findings(data) == Findings([], [])
    assert advice == nothing_asked(data.channel.platform)
    assert [one["subject"] for one in advice.answers] == [*SUBJECTS, "rising"]
    assert {one["questions"] for one in advice.answers} == {0}
    assert all("needs " in one["sentence"] for one in advice.answers)


def test_advice_is_the_same_for_the_same_data() -> None:
    """Nothing is drawn: no seed can make another advice of it."""
    items = favoured(catalogue(90), 2, 2.5)
    assert advice_for(items) == advice_for(items)


def test_advice_survives_shuffling_in_at_most_one_of_twenty_channels() -> None:
    """Independent views give hardly any significant questions, and hardly any advice."""
    words = ("cake", "bread", "soup", "pasta", "pizza", "salad", "curry", "rice")
    below: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    survived, advised, channels = 0, 0, 50  # make calibration counts many more
    for seed in range(channels):
        rng = np.random.default_rng(seed)
        items = [
            replace(
                item,
                title=" ".join(rng.choice(words, 3, replace=False)),
                live=bool(rng.random() < 0.3),
            )
            for item in at_changing_pace(catalogue(72, seed=seed, spread=0.8), rng)
        ]
        answers = findings(channel_data(items=items)).splits
        asked.update(answer.question.subject for answer in answers)
        below.update(answer.question.subject for answer in answers if answer.p <= 0.05)
        own = sum(answer.p_adjusted <= 0.05 for answer in answers)
        survived, advised = survived + own, advised + bool(own)
    assert set(asked) == set(SUBJECTS)
    assert survived / asked.total() <= 0.05
    assert advised / channels <= 0.05
    # Each kind of question alone, before correction, is significant in about one of twenty.
    assert below.total() / asked.total() == pytest.approx(0.05, abs=0.015)
    for subject, n in asked.items():
        assert below[subject] / n < 0.05 + 4 * (0.05 * 0.95 / n) ** 0.5


@pytest.mark.parametrize(
    ("items", "strength"),
    [
        ([], "not asked"),
        (catalogue(15), "not asked"),
        (catalogue(60), "no evidence"),
        (favoured(catalogue(120, every_days=1.7), 6, 2.6), "strong evidence"),
    ],
)
def test_advice_answers_every_subject(items: list[Item], strength: str) -> None:
    """Each subject has an answer, including "not asked" and "no evidence"."""
    data = channel_data(items=items)
    answers = advise(data, analyze(data)).answers
    assert [one["subject"] for one in answers] == [*SUBJECTS, "rising"]
    (weekday,) = (one for one in answers if one["subject"] == "weekday")
    assert weekday["strength"] == strength
    assert weekday["sentence"].endswith(".")
    assert (weekday["evidence"] is None) == (strength == "not asked")


def test_advice_finds_a_topic_that_does_better() -> None:
    """Videos about bread with three times the views are recommended by their topic."""
    items = [
        replace(item, title=("Bread at home", "Soup for all", "A walk")[i % 3])
        for i, item in enumerate(catalogue(90))
    ]
    items = [
        replace(item, views=3 * (item.views or 0)) if "Bread" in item.title else item
        for item in items
    ]
    (one, *_) = advice_for(items)
    assert one.key.startswith("topic:")
    assert "bread" in one.advice


def test_advice_finds_that_live_ones_do_better() -> None:
    """If the source says what was broadcast live, that is a format of its own."""
    items = [
        replace(item, live=i % 3 == 0, views=(3 if i % 3 == 0 else 1) * (item.views or 0))
        for i, item in enumerate(catalogue(90))
    ]
    assert advice_for(items)[0].key == "format:live"


def test_advice_splits_nobody_can_act_on_are_not_asked() -> None:
    """Pauses of a week each are not split into longer and shorter ones."""
    jitter = count()
    weekly = [Item(7.0 * i + (next(jitter) % 3) / 1_000, views=1_000 + i) for i in range(60)]
    assert all(a.question.subject != "pause" for a in findings(channel_data(items=weekly)).splits)


def test_advice_questions_have_enough_items_on_both_sides() -> None:
    """Every question has at least five items on either side."""
    for answer in findings(channel_data(items=catalogue(60))).splits:
        members = int(answer.question.belongs.sum())
        assert 5 <= members <= answer.question.belongs.size - 5
        if answer.question.subject == "weekday":
            assert answer.question.members.removeprefix("published on a ") in WEEKDAYS


def test_advice_promises_less_than_was_measured() -> None:
    """What the next items can be expected to reach is nearer to one, and both are said."""
    rng = np.random.default_rng(2)
    items = [
        Item(
            1.0 * i,
            views=int(rng.lognormal(8, 0.2) * (3 if i % 3 == 0 else 1)),
            title=f"cake {i}" if i % 3 == 0 else f"soup {i}",
        )
        for i in range(120)
    ]
    data = channel_data(items=items)
    one = next(each for each in recommend(data, analyze(data)) if each.key == "topic:cake")
    evidence = one.evidence
    assert evidence["measured"] == pytest.approx(3, rel=0.3)
    assert evidence["effect"] == pytest.approx(evidence["measured"] ** 0.55)
    assert evidence["low"] < evidence["effect"] < evidence["high"]
    assert "should reach" in one.title
    assert evidence["sentence"].startswith(f"So far {times(evidence['measured'])} (")
    assert times(evidence["effect"]) in one.title
    assert times(evidence["effect"]) not in evidence["sentence"].partition("(")[0]


@pytest.mark.parametrize(("good_from", "good_until"), [(0, 60), (60, 120)])
def test_advice_is_about_what_still_holds(good_from: int, good_until: int) -> None:
    """A topic that did well only among the older half gets no advice; among the newer it does."""
    rng = np.random.default_rng(2)
    items = [
        Item(
            1.0 * i,
            views=int(
                rng.lognormal(8, 0.2) * (4 if i % 3 == 0 and good_from <= i < good_until else 1)
            ),
            title=f"cake {i}" if i % 3 == 0 else f"soup {i}",
        )
        for i in range(120)
    ]
    data = channel_data(items=items)
    keys = {one.key for one in recommend(data, analyze(data))}
    tested = {one.question.key: one.p_adjusted for one in findings(data).splits}
    assert tested["topic:cake"] < 0.05
    assert ("topic:cake" in keys) == (good_from > 0)


async def test_advice_on_real_lists_of_videos() -> None:
    """Real channels get advice in the same form, each with its evidence."""
    videos = data_path("channel_daily", "videos_2026-02.csv.gz")
    source = await open_source(str(videos))
    given = 0
    for channel in source.channels()[:60]:
        data = of_reading(source.read(channel.id))
        for one in recommend(data, analyze(data)):
            given += 1
            assert one.evidence["low"] <= one.evidence["effect"] <= one.evidence["high"]
            assert not one.evidence["low"] < 1 < one.evidence["high"]
            assert min(one.evidence["members"], one.evidence["others"]) >= 5
    assert given > 0
