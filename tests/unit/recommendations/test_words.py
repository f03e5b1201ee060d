"""Words are found in any script, and the same word gives the same token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.recommendations.words import folded, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("L'ÉTÉ arrive — enfin!", ["l'ete", "arrive", "enfin"]),
        ("Don’t panic (42)", ["don't", "panic", "42"]),
        ("東京の夜", ["東京", "京の", "の夜"]),
        ("猫", ["猫"]),
        ("\uff26\uff2f\uff38", ["fox"]),
        ("서울 여행", ["서울", "여행"]),
        ("हिन्दी गाना", ["हिन्दी", "गाना"]),
        ("ภาษาไทย", ["ภาษา", "าษาไ", "ษาไท", "าไทย"]),
        ("go 🔥🔥 👩‍🚀 👍🏽", ["go", "🔥", "🔥", "👩‍🚀", "👍🏽"]),
        ("Straße ИГРЫ", ["strasse", "игры"]),
        ("", []),
        (" -- | !!", []),
    ],
)
def test_words_of_any_script(text: str, found: list[str]) -> None:
    """Accents and case fold, unspaced scripts are cut into runs, an emoji is one word."""
    assert words(text) == found


@given(st.text())
def test_words_are_repeatable_and_never_blank(text: str) -> None:
    """Any text gives non-blank tokens, the same for its upper-case form."""
    found = words(text)
    assert all(token.strip() for token in found)
    assert words(folded(text)) == found


@given(st.text())
def test_words_folding_twice_changes_nothing(text: str) -> None:
    """Folding folded text changes nothing."""
    assert folded(folded(text)) == folded(text)
