"""What is known of a source from the last time it was read, for the next time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    ListedItems = Callable[[], Awaitable[Mapping[str, datetime | None]]]


async def _none() -> Mapping[str, datetime | None]:
    return {}


@dataclass(frozen=True, slots=True)
class SourceMemory:
    """
    *kept* is what the source left; *listed_items* returns the items that are listed, with dates.

    Only sources that need the latter call it, since a channel may have many.
    """

    kept: Mapping[str, Any] = field(default_factory=dict)
    listed_items: ListedItems = _none
