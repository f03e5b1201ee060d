"""Channels are similar if their content is, whatever their category."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from jobs.recommendations.similar import Profile, pack, profile_of, unpack
from jobs.recommendations.similar.comparison import NEAREST, nearest
from jobs.recommendations.similar.fields import field_scores
from jobs.recommendations.similar.shuffled import shuffled
from jobs.recommendations.similar.vectors import counts
from jobs.recommendations.similar.weighting import reduced, tf_idf
from tests.unit.analysis.channels import CHANNEL, Item, channel_data

COOKS = ("pasta dinner", "bread baking", "soup kitchen", "cake dessert", "pizza dough")
GAMERS = ("speedrun boss", "multiplayer lobby", "console review", "walkthrough level", "mod craft")

profiles = st.builds(
    Profile,
    st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 9), max_size=12),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), max_size=5),
    st.lists(st.none() | st.floats(-9, 9), min_size=4, max_size=4),
    st.integers(1, 200),
)


def profile(themes: tuple[str, ...], common: str, seed: int) -> Profile:
    """Make a profile with words of two of *themes* and of *common*."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(themes, 2, replace=False)
    items = [
        Item(float(day), views=1_000, title=f"{common} {chosen[day % 2]} {day}", tags=(common,))
        for day in range(6)
    ]
    found = profile_of(channel_data(items=items, channel=replace(CHANNEL, title=f"Channel {seed}")))
    assert found is not None
    return found


def test_similar_channels_speak_of_the_same() -> None:
    """Cooks are nearest to cooks, gamers to gamers; their common tags are named."""
    cooks = {f"cook{i}": profile(COOKS, "recipe", i) for i in range(8)}
    gamers = {f"gamer{i}": profile(GAMERS, "gameplay", 50 + i) for i in range(8)}
    found = nearest(cooks | gamers)
    for channel_id, own in found.items():
        assert len(own) == NEAREST
        assert all(each["channel_id"][:4] == channel_id[:4] for each in own)
        assert channel_id not in {each["channel_id"] for each in own}
        assert own[0]["shared"] == ["recipe" if channel_id.startswith("cook") else "gameplay"]


def test_similar_ignores_the_category() -> None:
    """A profile does not depend on the category."""
    data = channel_data(items=[Item(1.0, views=9, title="One"), Item(2.0, views=9, title="Two")])
    other = replace(data, items=data.items.with_columns(category=data.items["item_id"]))
    assert profile_of(data) == profile_of(other)


def test_similar_channels_are_not_named_among_few() -> None:
    """Among three channels the nearest need not be similar, so none is named."""
    found = nearest({str(i): profile(COOKS, "recipe", i) for i in range(3)})
    assert found == {"0": [], "1": [], "2": []}


def test_profile_of_a_channel_without_items_is_none() -> None:
    """Without items there is no profile."""
    assert profile_of(channel_data()) is None


@given(profiles)
def test_profile_survives_packing(one: Profile) -> None:
    """What is unpacked is what was packed, under the same fingerprint."""
    fingerprint, packed = pack(one)
    assert pack(unpack(packed))[0] == fingerprint
    assert dict(unpack(packed).words) == one.words


@settings(max_examples=12)
@given(st.lists(profiles, min_size=10, max_size=14))
def test_similarity_is_bounded_and_ordered(profiles: list[Profile]) -> None:
    """For any profiles, similarities are at most 1, ordered, and repeatable."""
    by_id = {str(i): one for i, one in enumerate(profiles)}
    found = nearest(by_id)
    assert found == nearest(by_id)
    for own in found.values():
        similarity = [each["similarity"] for each in own]
        assert similarity == sorted(similarity, reverse=True)
        assert max(similarity) <= 1 + 1e-3


@pytest.mark.parametrize("rows", [1, 3, 1_000])
def test_similar_channels_do_not_depend_on_the_blocks(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Working in blocks gives the same result as one block."""
    profiles = {f"c{i}": profile(COOKS + GAMERS, "video", i) for i in range(12)}
    whole = nearest(profiles)
    monkeypatch.setattr("jobs.recommendations.similar.comparison._CELLS_AT_ONCE", rows * 12)
    other = nearest(profiles)
    assert {key: [each["channel_id"] for each in own] for key, own in other.items()} == {
        key: [each["channel_id"] for each in own] for key, own in whole.items()
    }


def test_similar_channels_say_how_sure_that_is() -> None:
    """Channels of one theme are similar with strong evidence, and the sentence says why."""
    profiles = {
        f"{theme}-{seed}": of_theme(theme, seed) for theme in range(12) for seed in range(3)
    }
    found = nearest(profiles)
    for channel_id, own in found.items():
        first, second = own[:2]
        theme = channel_id.partition("-")[0]
        assert {one["channel_id"].partition("-")[0] for one in (first, second)} == {theme}
        assert first["strength"] != "no evidence"
        assert own[-1]["strength"] == "no evidence"
    strong = sum(own[0]["strength"] == "strong evidence" for own in found.values())
    assert strong >= 0.8 * len(found)
    (first, *_) = found["0-0"]
    assert first["p"] <= 0.05
    assert first["sentence"].startswith(f"{first['strength'].capitalize()}: 0.")
    assert "above all “0-tag-" in first["sentence"]
    assert first["sentence"].endswith("It rests on 20 items there and 30 here.")


def of_theme(theme: int, seed: int) -> Profile:
    """Make a profile with most words and tags of one of twelve themes, and some others."""
    rng = np.random.default_rng(100 * theme + seed)
    words = {f"{theme}word{i}": 5 for i in rng.choice(30, 20, replace=False)}
    words |= {f"common{i}": 5 for i in rng.choice(60, 20, replace=False)}
    tags = {f"{theme}-tag-{i}": 4 for i in rng.choice(10, 7, replace=False)}
    return Profile(words, tags, [0.0] * 4, (30, 20, 20)[seed])


def test_similar_channels_of_chance_are_no_evidence() -> None:
    """With shuffled words and tags, hardly one channel in twenty has a similar one."""
    profiles = [profile(COOKS + GAMERS, "video", i) for i in range(120)]
    mixed = shuffled(profiles, np.random.default_rng(3))
    found = nearest({f"c{i:03}": one for i, one in enumerate(mixed)})
    some = [own[0]["strength"] != "no evidence" for own in found.values()]
    assert np.mean(some) < 0.05 + 3 * (0.05 * 0.95 / len(some)) ** 0.5


def test_shuffling_exchanges_words_and_nothing_else() -> None:
    """All words and tags stay as frequent, and each channel keeps its counts and style."""
    profiles = [profile(COOKS, "recipe", i) for i in range(12)]
    mixed = shuffled(profiles, np.random.default_rng(1))
    assert Counter(w for one in mixed for w in one.words) <= Counter(
        w for one in profiles for w in one.words
    )
    for before, after in zip(profiles, mixed, strict=True):
        assert sum(after.words.values()) == sum(before.words.values())
        assert sum(after.tags.values()) == sum(before.tags.values())
        assert (after.style, after.items) == (before.style, before.items)
    assert [one.words.keys() for one in mixed] != [one.words.keys() for one in profiles]


def test_weights_are_those_of_the_formula() -> None:
    """A word in every row weighs one, one in half of them more; rows have unit length."""
    counted = sparse.csr_matrix([[2.0, 1.0], [3.0, 0.0]])
    rare = np.log(3 / 2) + 1
    plain = tf_idf(counted, unit=False).toarray()
    np.testing.assert_allclose(plain, [[2.0, rare], [3.0, 0.0]])
    logarithmic = tf_idf(counted, logarithmic=True, unit=False).toarray()
    np.testing.assert_allclose(logarithmic, [[np.log(2) + 1, rare], [np.log(3) + 1, 0.0]])
    np.testing.assert_allclose(np.linalg.norm(tf_idf(counted).toarray(), axis=1), 1)
    assert tf_idf(sparse.csr_matrix((3, 2))).nnz == 0


@pytest.mark.parametrize("shape", [(40, 90), (90, 40)])
def test_reduction_keeps_what_there_is(shape: tuple[int, int]) -> None:
    """A table of rank five keeps its products in five dimensions."""
    rng = np.random.default_rng(4)
    dense = rng.random((shape[0], 5)) @ rng.random((5, shape[1]))
    found = reduced(sparse.csr_matrix(dense), 5)
    assert found.shape == (shape[0], 5)
    np.testing.assert_allclose(found @ found.T, dense @ dense.T, rtol=1e-6)


def test_channels_without_words_of_any_field_are_in_none() -> None:
    """Without seed words only rounding is left, which makes no channels similar."""
    counted, names = counts([of_theme(theme, seed).words for theme in range(4) for seed in (0, 1)])
    assert not field_scores(counted, names).any()
