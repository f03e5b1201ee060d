"""
Cells of CSV files that a spreadsheet would run as formulas, quoted as OWASP advises.

A text that begins with one of `= + - @`, their wide forms, a tab or a line break gets a quote
before it. So does one that begins with quotes and then such a character: what is written is read in
again as it was. https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import re

_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\t\r\n"

TO_QUOTE = f"^('*[{re.escape(_SIGNS)}])"
"""For Python and polars alike: a text that is quoted."""

QUOTED = f"^'('*[{re.escape(_SIGNS)}])"
"""A text with its quote; what comes after that is the text."""

MARKS = tuple(f"'{sign}".encode() for sign in _SIGNS)
"""One of these is in each file that holds a quoted text."""

_TO_QUOTE = re.compile(TO_QUOTE)


def quoted(text: str) -> str:
    """Return *text* as no spreadsheet runs it."""
    return f"'{text}" if _TO_QUOTE.match(text) else text
