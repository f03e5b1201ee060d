"""Analyses and what is made of them: replaced as a whole, never doubled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.channel.frames import as_data
from jobs.json_text import JsonText, to_json
from jobs.store import (
    ChannelCounts,
    NotStoredError,
    StoredChart,
    StoredRecommendation,
    StoreError,
)
from tests.unit.store.samples import CHANNEL, notification, reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jobs.store import ChannelStore

DOCUMENT = {"z": 1, "a": {"médian": [1.5, None, "\0"]}}
CHARTS = [
    StoredChart("views", "Views rise", {"mark": "line", "data": {"values": [1, 2]}}, "A line."),
    StoredChart("cadence", "Two a week", {"mark": "bar"}, "Bars."),
]
ADVICE = [StoredRecommendation("hour", "Publish at 18:00", "…", {"n": 40, "p": 0.01}, "strong")]


@pytest.fixture
async def analysis_id(store: ChannelStore) -> str:
    """Save an analysis and return its id."""
    await store.channels.register(CHANNEL, [])
    return await store.analyses.save(CHANNEL.id, "f1", DOCUMENT)


async def test_analysis_comes_back(store: ChannelStore, analysis_id: str) -> None:
    """The document is the same, its keys in the same order; it has no charts and no advice yet."""
    found = await store.analyses.get(analysis_id)
    assert (found.id, found.channel_id, found.fingerprint) == (analysis_id, CHANNEL.id, "f1")
    assert found.document == DOCUMENT
    assert list(found.document) == ["z", "a"]
    assert found.charted_at is None
    assert found.recommended_at is None
    assert found.analysed_at <= datetime.now(UTC)


async def test_analysis_id_is_made_of_channel_and_data(
    store: ChannelStore, analysis_id: str
) -> None:
    """Equal channel and data give the same id on any machine; each of them changes it."""
    assert analysis_id == "1eefce1a734c5fc8"
    assert await store.analyses.save(CHANNEL.id, "f1", DOCUMENT) == analysis_id
    assert await store.analyses.save(CHANNEL.id, "f2", DOCUMENT) != analysis_id


async def test_unknown_analysis_is_not_stored(store: ChannelStore) -> None:
    """Getting it is an error; an unknown channel or analysis has nothing."""
    with pytest.raises(NotStoredError, match="analysis absent: it is not in the store"):
        await store.analyses.get("absent")
    assert await store.analyses.latest("UC9") is None
    assert await store.analyses.charts("absent") == []
    assert await store.analyses.recommendations("absent") == []
    assert await store.renderings.of_channel("UC9") == []
    assert await store.renderings.report_path("UC9") is None


async def test_latest_analysis_is_the_one_saved_last(store: ChannelStore, analysis_id: str) -> None:
    """Data that returns to a former state makes its analysis the latest again."""
    second = await store.analyses.save(CHANNEL.id, "f2", DOCUMENT)
    found = await store.analyses.latest(CHANNEL.id)
    assert found is not None
    assert found.id == second
    await store.analyses.save(CHANNEL.id, "f1", DOCUMENT)
    found = await store.analyses.latest(CHANNEL.id)
    assert found is not None
    assert found.id == analysis_id


async def test_charts_come_back_in_order(store: ChannelStore, analysis_id: str) -> None:
    """Charts come back as saved, and the analysis is charted from then on."""
    await store.analyses.save_charts(analysis_id, CHARTS)
    assert await store.analyses.charts(analysis_id) == CHARTS
    found = await store.analyses.get(analysis_id)
    assert found.charted_at is not None
    assert found.recommended_at is None


async def test_charts_are_replaced(store: ChannelStore, analysis_id: str) -> None:
    """Saved again, only the last charts exist."""
    await store.analyses.save_charts(analysis_id, CHARTS)
    await store.analyses.save_charts(analysis_id, CHARTS[1:])
    assert await store.analyses.charts(analysis_id) == CHARTS[1:]


async def test_recommendations_are_replaced(store: ChannelStore, analysis_id: str) -> None:
    """An empty list is a result, too: the analysis has its recommendations."""
    await store.analyses.save_recommendations(analysis_id, ADVICE)
    assert await store.analyses.recommendations(analysis_id) == ADVICE
    await store.analyses.save_recommendations(analysis_id, [])
    assert await store.analyses.recommendations(analysis_id) == []
    found = await store.analyses.get(analysis_id)
    assert found.recommended_at is not None


async def test_analysis_may_be_saved_with_the_answers_of_no_recommendations(
    store: ChannelStore,
) -> None:
    """Where nothing can be asked, one transaction saves both, and there is no work left."""
    await store.channels.register(CHANNEL, [])
    answers: dict[str, Any] = {"subjects": [], "similar": None}
    key = await store.analyses.save(CHANNEL.id, "f", DOCUMENT, answers)
    assert await store.analyses.to_recommend(key) is None
    assert await store.analyses.answers(key) == answers
    await store.analyses.save(CHANNEL.id, "f", {"z": 2}, answers)
    assert await store.analyses.to_recommend(key) is None


async def test_same_document_again_keeps_what_was_made_of_it(
    store: ChannelStore, analysis_id: str
) -> None:
    """An analysis that ran twice is as charted and recommended as before."""
    await store.analyses.save_charts(analysis_id, CHARTS)
    await store.analyses.save_recommendations(analysis_id, ADVICE)
    before = await store.analyses.get(analysis_id)
    await store.analyses.save(CHANNEL.id, "f1", DOCUMENT)
    after = await store.analyses.get(analysis_id)
    assert before.charted_at == after.charted_at is not None
    assert before.recommended_at == after.recommended_at is not None


async def test_other_document_outdates_what_was_made(store: ChannelStore, analysis_id: str) -> None:
    """If a program finds something else in the same data, charts and advice are made again."""
    await store.analyses.save_charts(analysis_id, CHARTS)
    await store.analyses.save_recommendations(analysis_id, ADVICE)
    assert await store.analyses.save(CHANNEL.id, "f1", {"z": 2}) == analysis_id
    found = await store.analyses.get(analysis_id)
    assert (found.document, found.charted_at, found.recommended_at) == ({"z": 2}, None, None)


async def test_last_of_two_parts_sees_both(store: ChannelStore, analysis_id: str) -> None:
    """Charts and recommendations saved concurrently: the later one sees the other."""

    async def sees_both(save: Awaitable[None]) -> bool:
        await save
        found = await store.analyses.get(analysis_id)
        return found.charted_at is not None and found.recommended_at is not None

    assert any(
        await asyncio.gather(
            sees_both(store.analyses.save_charts(analysis_id, CHARTS)),
            sees_both(store.analyses.save_recommendations(analysis_id, ADVICE)),
        )
    )


@pytest.mark.parametrize(
    "save",
    [
        lambda store: store.analyses.save("UC9", "f", {}),
        lambda store: store.analyses.save_charts("absent", CHARTS),
        lambda store: store.analyses.save_recommendations("absent", []),
        lambda store: store.renderings.save("absent", None, "html", "r.html"),
        lambda store: store.outbox.post(notification("k", "UC9"), {}),
    ],
    ids=["analysis", "charts", "recommendations", "rendering", "notification"],
)
async def test_parts_of_what_is_not_stored_are_refused(
    store: ChannelStore, save: Callable[[ChannelStore], Awaitable[Any]]
) -> None:
    """A reference to a channel or analysis that is not stored has its own type of error."""
    with pytest.raises(NotStoredError):
        await save(store)


async def test_document_that_is_not_json_is_refused(store: ChannelStore, analysis_id: str) -> None:
    """NaN is refused on both databases, and the former charts stay."""
    await store.analyses.save_charts(analysis_id, CHARTS)
    wrong = StoredChart("views", "t", {"y": float("nan")}, "a")
    with pytest.raises(StoreError, match="not JSON compliant"):
        await store.analyses.save_charts(analysis_id, [wrong])
    assert await store.analyses.charts(analysis_id) == CHARTS


async def test_rendering_is_recorded_once(store: ChannelStore, analysis_id: str) -> None:
    """A file that was made again is listed once, with its newest path."""
    await store.renderings.save(analysis_id, None, "html", "old.html")
    await store.renderings.save(analysis_id, None, "html", Path("new.html"))
    await store.renderings.save(analysis_id, "views", "svg", "views.svg")
    found = {
        (made.chart_key, made.format, made.path)
        for made in await store.renderings.of_channel("UC0")
    }
    assert found == {(None, "html", "new.html"), ("views", "svg", "views.svg")}


async def test_report_is_the_newest(store: ChannelStore, analysis_id: str) -> None:
    """The report of the last analysis is the channel's, whatever else was rendered since."""
    await store.renderings.save(analysis_id, None, "html", "first.html")
    second = await store.analyses.save(CHANNEL.id, "f2", DOCUMENT)
    assert await store.renderings.report_path(CHANNEL.id) == "first.html"
    await store.renderings.save(second, None, "html", "second.html")
    await store.renderings.save(second, None, "pdf", "second.pdf")
    await store.renderings.save(second, "views", "html", "views.html")
    assert await store.renderings.report_path(CHANNEL.id) == "second.html"


async def test_counts_are_those_of_the_channel(store: ChannelStore, analysis_id: str) -> None:
    """Each table is counted per channel; a channel without any has zeros."""
    await store.readings.save([reading(CHANNEL.id, items=3, days=5)])
    await store.analyses.save_charts(analysis_id, CHARTS)
    await store.analyses.save_recommendations(analysis_id, ADVICE)
    await store.outbox.post(notification("k"), {})
    assert await store.channels.counts([CHANNEL.id, "UC9"]) == {
        CHANNEL.id: ChannelCounts(3, 5, 3, 0, 1, 2, 1, 1),
        "UC9": ChannelCounts(),
    }
    assert await store.channels.counts([]) == {}


async def test_counts_take_any_number_of_channels(
    store: ChannelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More channels than one statement takes are counted by several."""
    monkeypatch.setattr("jobs.store.chunks._CHUNK", 2)
    for key in ("UC0", "UC1", "UC2"):
        await store.readings.save([reading(key, items=1, days=1)])
    assert await store.channels.counts(["UC0", "UC1", "UC2"]) == dict.fromkeys(
        ("UC0", "UC1", "UC2"), ChannelCounts(1, 1, 1)
    )


async def test_answers_are_kept_with_the_recommendations(store: ChannelStore) -> None:
    """The answer of each subject comes back; saved without answers, there are none."""
    await store.channels.register(CHANNEL, [])
    key = await store.analyses.save(CHANNEL.id, "f", {})
    assert await store.analyses.answers(key) is None
    await store.analyses.save_recommendations(key, [], {"subjects": [{"strength": "no evidence"}]})
    assert await store.analyses.answers(key) == {"subjects": [{"strength": "no evidence"}]}
    await store.analyses.save_recommendations(key, [])
    assert await store.analyses.answers(key) is None


async def test_profile_is_saved_with_the_recommendations(store: ChannelStore) -> None:
    """What the last comparison found for the channel becomes one of the answers."""
    await store.channels.register(CHANNEL, [])
    key = await store.analyses.save(CHANNEL.id, "f", {})
    await store.analyses.save_recommendations(key, [], {"subjects": []}, ("a", b"one"))
    assert [one.packed for one in await store.profiles.all()] == [b"one"]
    assert await store.analyses.answers(key) == {"subjects": [], "similar": None}
    await store.profiles.save_similar({CHANNEL.id: {"nearest": []}})
    await store.analyses.save_recommendations(key, [], {"subjects": []}, ("a", b"one"))
    assert await store.analyses.answers(key) == {"subjects": [], "similar": {"nearest": []}}


async def test_document_as_text_is_stored_as_it_is(store: ChannelStore) -> None:
    """Text and object are the same document: saving one after the other changes nothing."""
    await store.channels.register(CHANNEL, [])
    document = {"title": "“naïve” 🎬", "growth": {"present": False}, "views": [1, 2.5, None]}
    key = await store.analyses.save(CHANNEL.id, "f", JsonText(to_json(document)))
    assert (await store.analyses.get(key)).document == document
    await store.analyses.save_charts(key, CHARTS)
    await store.analyses.save(CHANNEL.id, "f", document)
    assert (await store.analyses.get(key)).charted_at is not None


async def test_what_is_recommended_from_is_given_once(store: ChannelStore) -> None:
    """Document and data are returned until recommendations are saved; then there is no work."""
    await store.readings.save([reading(items=2)])
    document = JsonText(to_json({"growth": {"present": False}}))
    key = await store.analyses.save("UC0", "f", document)
    found = await store.analyses.to_recommend(key)
    assert found is not None
    assert found.document == document
    assert as_data(found.columns).fingerprint == (await store.readings.load("UC0")).fingerprint
    await store.analyses.save_recommendations(key, [])
    assert await store.analyses.to_recommend(key) is None
    with pytest.raises(NotStoredError, match="analysis absent: it is not in the store"):
        await store.analyses.to_recommend("absent")
