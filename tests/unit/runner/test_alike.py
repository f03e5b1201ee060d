"""Errors of one cause are alike, and others are not."""

from __future__ import annotations

import pytest

from runner.operations.search import alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shard 7: truncated at byte 18446744", "shard 11: truncated at byte 3"),
        ("no channel 'UC1' here", "no channel 'UCabc' here"),
        ("job 3f905517ab lost", "job 96e94e73cc lost"),
        ("at 0xdeadbeef", "at 0x1f"),
        ("took 1.5 s", "took 22.75 s"),
    ],
)
def test_errors_that_differ_in_digits_and_quotes_are_alike(one: str, other: str) -> None:
    """The rest of the message stays, so that it can be read."""
    assert alike("E", one) == alike("E", other)
    assert alike("E", one).startswith("E: ")


def test_errors_of_other_types_or_words_are_not_alike() -> None:
    """Neither the type nor a word is left out."""
    assert alike("E", "it broke") != alike("F", "it broke")
    assert alike("E", "it broke") != alike("E", "it burst")
    assert alike("E", "it isn't there, and wasn't") != alike("E", "it isn't here, and wasn't")
