"""Topics are what enough items share and enough lack, whatever their views."""

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
    """A pair of words replaces both if they occur together; stop words are not topics."""
    titles = ["Sourdough bread for you"] * 6 + ["The soup"] * 6 + [f"Nothing {n}" for n in range(9)]
    names = [topic.name for topic in topics(titles, [[]] * len(titles), 5)]
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
def test_topics_have_enough_on_both_sides(titles: list[str], fewest: int) -> None:
    """Topics have enough items on either side, and there are never too many."""
    found = topics(titles, [[]] * len(titles), fewest)
    assert len(found) <= MOST
    assert len({topic.name for topic in found}) == len(found)
    for topic in found:
        assert fewest <= int(topic.belongs.sum()) <= len(titles) - fewest


@given(titles)
def test_topics_do_not_depend_on_the_order_of_items(titles: list[str]) -> None:
    """Another order of the same items gives the same topics."""
    other = sorted(titles)
    one, two = (topics(each, [[]] * len(each), 3) for each in (titles, other))
    assert [int(t.belongs.sum()) for t in one] == [int(t.belongs.sum()) for t in two]
