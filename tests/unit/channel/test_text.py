"""The border of text: what comes in, and what goes out."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.channel.text import (
    MOST_CHARACTERS,
    characters,
    clean,
    clean_whole,
    cut,
    identity,
    one_line,
    unbroken,
)

ANY = st.text(alphabet=st.characters())
"""Halves of surrogate pairs, controls and noncharacters included."""


def is_safe(text: str) -> bool:
    """Whether *text* is what the border lets pass."""
    return unicodedata.is_normalized("NFC", text) and not any(
        (unicodedata.category(one) in {"Cc", "Cs"} and one not in "\n\t")
        or ord(one) & 0xFFFE == 0xFFFE
        or 0xFDD0 <= ord(one) <= 0xFDEF
        for one in text
    )


@given(ANY)
def test_clean_text_is_safe_and_stays_clean(text: str) -> None:
    """Whatever it was; and what was clean passes as it is."""
    found = clean(text)
    found.encode()
    assert is_safe(found)
    assert clean(found) == found


@given(ANY | st.text(alphabet=st.sampled_from("a \t\n\r\x85\u2028\x01\u0301\ufffe  ")))
def test_a_line_is_clean_and_is_one(text: str) -> None:
    """No kind of line end is in it, nor doubled or outer spaces; it stays as it is."""
    line = one_line(text)
    assert is_safe(line)
    assert line == one_line(line) == line.strip()
    assert len(line.splitlines()) <= 1
    assert not {"\t", "\n"} & set(line)
    assert "  " not in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\ufffeb\uffffc", "abc"),
        ("a\U0001fffeb\U0010ffff", "ab"),
        ("a\ufdd0\ufdefb", "ab"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("a\x9b31mb\x84", "a31mb"),
        ("\ud835a\udd71", "a"),
        ("e\u0301", "é"),
        ("a\r\nb\tc\x85d", "a\nb\tc\nd"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\U0001fae9 \U000323af \u0378 \uf8ff", "\U0001fae9 \U000323af \u0378 \uf8ff"),
    ],
)
def test_only_what_no_text_has_is_left_out(text: str, expected: str) -> None:
    """Joiners, private characters, and those that are newer than this Python stay."""
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("abcdef", 3, "abc"),
        ("ab", 3, "ab"),
        ("𝕱𝖆𝖓𝖈𝖞", 3, "𝕱𝖆𝖓"),
        ("ae\u0302\u0301b", 3, "a"),
        ("👨\u200d👩\u200d👧👦", 5, "👨\u200d👩\u200d👧"),
        ("👨\u200d👩\u200d👧👦", 4, "👨\u200d👩\u200d"),  # one that is too long by itself
        ("a🇩🇪🇫🇷", 4, "a🇩🇪"),
        ("a\r\nb", 2, "a\r"),
    ],
)
def test_cut_text_ends_with_a_whole_character(text: str, most: int, expected: str) -> None:
    """A flag, a family or a letter with accents is in it, or is not."""
    assert cut(text, most) == expected


@given(ANY, st.integers(1, 20))
def test_cut_text_is_a_beginning_that_is_no_longer(text: str, most: int) -> None:
    """It is never empty where the text is not."""
    found = cut(text, most)
    assert text.startswith(found)
    assert min(1, len(text)) <= len(found) <= most


def test_a_letter_with_a_million_accents_is_cut() -> None:
    """In a moment, and to what a title may have."""
    assert len(one_line("a" + "\u0316" * 1_000_000)) == MOST_CHARACTERS


def test_long_identities_stay_apart() -> None:
    """Two that begin alike are kept as two; short ones are kept as they are."""
    assert identity("yt:video:x") == "yt:video:x"
    first, second = identity("x" * 5000 + "1"), identity("x" * 5000 + "2")
    assert first != second
    assert len(first) == len(second) == MOST_CHARACTERS
    assert identity(first) == first


def test_characters_are_counted_as_a_person_does() -> None:
    """Accents and joined emoji belong to what they follow."""
    assert characters("ab") == ["a", "b"]
    assert characters("e\u0302\u0301🇩🇪👨\u200d👩") == ["e\u0302\u0301", "🇩🇪", "👨\u200d👩"]


def test_all_text_in_a_value_is_cleaned() -> None:
    """At any depth, in keys, too; numbers and None pass."""
    value: dict[str, Any] = {"a\x00": ["b\ufffe", {"c": ("d\ud800", 1, None, 1.5, True)}]}
    assert clean_whole(value) == {"a": ["b", {"c": ["d", 1, None, 1.5, True]}]}


def test_unbroken_text_may_be_long() -> None:
    """An address or an identity is not cut here."""
    assert unbroken("x" * 5000 + "\n") == "x" * 5000
