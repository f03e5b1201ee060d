"""What is known of a source from the last time: handed to it when it is read again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    ListedItems = Callable[[], Awaitable[Mapping[str, datetime | None]]]


async def _nothing() -> Mapping[str, datetime | None]:
    return {}


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """
    *memory* is what the source left; *listed_items* gives the items that are listed, with dates.

    The latter is asked for only by sources that need it, since a channel may have many.
    """

    kept: Mapping[str, Any] = field(default_factory=dict)
    listed_items: ListedItems = _nothing
