"""Long lists of keys in parts: both databases bound the parameters of one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 1_000


def chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield *keys* in parts of a thousand."""
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
