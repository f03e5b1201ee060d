"""
How much one call to Redis may carry: while it serves one, it serves nobody else.

Whatever grows is cut here, by number and by bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

MOST = 200
"""Jobs in one script call: a few milliseconds of Redis's time."""

MOST_BYTES = 1_000_000
"""Bytes in one script call, unless a single item is larger."""


def chunks(
    items: Sequence[T],
    *,
    most: int = MOST,
    size: Callable[[T], int] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Iterator[Sequence[T]]:
    """Cut *items* in order into pieces of at most *most*, and of *most_bytes* by *size*."""
    start = 0
    while start < len(items):
        end = min(start + most, len(items)) if size is None else start
        if size is not None:
            end = start + count_of_chunk(items[start : start + most], size, most_bytes)
        yield items[start:end]
        start = end


def count_of_chunk(
    items: Sequence[T], size: Callable[[T], int], most_bytes: int = MOST_BYTES
) -> int:
    """Return how many of the first *items* go into one chunk; at least one of them."""
    room = most_bytes
    for count, item in enumerate(items):
        room -= size(item)
        if room < 0 and count:
            return count
    return len(items)
