"""
Text as a terminal may get it: nothing in it can steer the terminal, or pass for a line of its own.

Titles, names and messages come from outside. With an escape sequence they could change the window's
title, hide what follows, or write to the clipboard; with a line break, forge a line of a log; with
a bidirectional override, show another order than the one that counts.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions of writing
    "\u2028\u2029"  # line breaks
    "\ud800-\udfff\ufffe\uffff]"  # halves of characters, and none at all
)
_NOT_IN_PAGES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def visible(text: str) -> str:
    r"""Return *text* as one line that shows what it holds: a line break as \u000a."""
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def visible_lines(text: str) -> str:
    r"""Do as `visible`, but leave line breaks and tabs; JSON keeps its meaning."""
    return text if text.isprintable() else _UNSAFE_IN_LINES.sub(_escape, text)


def visible_in_pages(text: str) -> str:
    r"""Do as `visible`, but leave line breaks and directions of writing, which markup keeps in."""
    return text if text.isprintable() else _NOT_IN_PAGES.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
