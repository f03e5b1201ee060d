"""
The border of text: what may come in from outside, and what may go out to a drawing or a page.

On entry every text becomes composed (NFC), and loses what no text has and what programs fail at:
control characters, noncharacters, halves of surrogate pairs. Nothing else is changed: characters
too new for this Python stay, as do joiners, which emoji and Persian need.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, TypeVar

T = TypeVar("T")

MOST_CHARACTERS = 1000
"""The longest title or name that is kept, in code points; identities are kept by their digest."""

_DIGITS = 16
_LONGEST_GRAPHEME = 64

_NONCHARACTERS = "".join(
    chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)
)
_UNSAFE = re.compile(
    f"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ud800-\udfff{_NONCHARACTERS}]"
)
_BREAKS = re.compile("[ \t\r\n\v\f\x85\u2028\u2029]+")


def clean(text: str) -> str:
    """Return *text* composed and without unsafe characters; line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    # It looks first whether it is composed already.
    return unicodedata.normalize(
        "NFC", _UNSAFE.sub("", text.replace("\r\n", "\n")).replace("\x85", "\n")
    )


def clean_whole(value: T) -> T:
    """Return a JSON-like *value*, with `clean` applied to all text in it; keys, too."""
    found: Any = value
    if isinstance(found, str):
        found = clean(found)
    elif isinstance(found, dict):
        found = {clean_whole(key): clean_whole(one) for key, one in found.items()}
    elif isinstance(found, list | tuple):
        found = [clean_whole(one) for one in found]
    return found  # type: ignore[no-any-return]  # tuples become lists, as in JSON


def one_line(text: str) -> str:
    """
    Return *text* clean, in one line, without outer white space, and no longer than a title.

    Non-breaking spaces inside stay: titles use them on purpose.
    """
    return cut(unbroken(text), MOST_CHARACTERS).rstrip()


def identity(text: str) -> str:
    """Return *text* as `one_line` does; of one that is too long, a digest tells it from others."""
    line = unbroken(text)
    if len(line) <= MOST_CHARACTERS:
        return line
    digest = hashlib.sha256(line.encode()).hexdigest()[:_DIGITS]
    return f"{cut(line, MOST_CHARACTERS - _DIGITS - 1)}~{digest}"


def unbroken(text: str) -> str:
    """Return *text* clean, in one line of any length."""
    # Nearly every title is such; a list may hold tens of thousands.
    if text.isprintable() and "  " not in text:
        return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
    # Once more, for what stood around something unsafe.
    return _BREAKS.sub(" ", clean(_BREAKS.sub(" ", text))).strip()


def cut(text: str, most: int) -> str:
    """
    Return the first *most* code points of *text*, less what would be a part of a character.

    A character that is longer than that by itself, such as a letter with a thousand accents, is
    cut all the same.
    """
    if len(text) <= most or text.isascii():
        return text[:most]
    import regex  # here, since few texts are so long

    end = 0
    for character in regex.finditer(r"\X", text, endpos=most + _LONGEST_GRAPHEME):
        if character.end() > most:
            break
        end = character.end()
    return text[: end or most]


def characters(text: str) -> list[str]:
    """Return the characters of *text* as a person counts them: a letter with its accents is one."""
    if text.isascii():
        return list(text)
    import regex

    found: list[str] = regex.findall(r"\X", text)
    return found
