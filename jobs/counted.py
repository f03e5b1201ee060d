"""A number with what it counts."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """Return *number* and *word*, in the plural but for one: `1 row`, `2,522 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
