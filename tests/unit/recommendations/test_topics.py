"""Topics are what enough items share and enough do not, whatever these items reached."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.recommendations.topics import MOST, topics

titles = st.lists(
    st.lists(
        st.sampled_from(["cake", "bread", "soup", "the", "42", "食パン", "🔥", "été"]), max_size=4
    ).map(" ".join),
    min_size=10,
    max_size=40,
)


def test_topics_name_what_items_share() -> None:
    """A pair of words stands for both where they come together; stop words are no topic."""
    told = ["Sourdough bread for you"] * 6 + ["The soup"] * 6 + [f"Nothing {n}" for n in range(9)]
    names = [topic.name for topic in topics(told, [[]] * len(told), 5)]
    assert "sourdough bread" in names
    assert "soup" in names
    assert not {"the", "for", "sourdough", "you"} & set(names)


def test_topics_come_from_tags_too_as_they_are_spelt() -> None:
    """A tag counts whole, in its most frequent spelling."""
    tags = [["Film Noir"]] * 5 + [["film noir"]] + [[]] * 10
    (topic,) = topics([f"{n}" for n in range(16)], tags, 5)
    assert topic.name == "Film Noir"
    assert topic.belongs.tolist() == [True] * 6 + [False] * 10


@given(titles, st.integers(2, 8))
def test_topics_have_enough_on_both_sides(told: list[str], fewest: int) -> None:
    """Never fewer items than asked for, on either side; never more topics than are afforded."""
    found = topics(told, [[]] * len(told), fewest)
    assert len(found) <= MOST
    assert len({topic.name for topic in found}) == len(found)
    for topic in found:
        assert fewest <= int(topic.belongs.sum()) <= len(told) - fewest


@given(titles)
def test_topics_do_not_depend_on_the_order_of_items(told: list[str]) -> None:
    """Another order of the same items gives the same topics."""
    other = sorted(told)
    one, two = (topics(each, [[]] * len(each), 3) for each in (told, other))
    assert [int(t.belongs.sum()) for t in one] == [int(t.belongs.sum()) for t in two]
