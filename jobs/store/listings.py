"""Mark items that left their source, and unmark those that came back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from jobs.channel.records import EVER
from jobs.store.models import ItemRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from jobs.channel.records import Listing

_Marks = tuple["datetime | None", "datetime | None"]
"""When an item was first listed, and when it left."""


def apply_listings(
    connection: Connection, channel_id: str, listings: Sequence[Listing]
) -> tuple[int, int]:
    """
    Mark the channel's stored items by *listings*; return how many left and how many came back.

    Only an item that was listed can leave: one that is known from a file alone was never on the
    list. A listing older than the one that set a mark does not remove it.
    """
    if not listings:
        return 0, 0
    items = ItemRow.__table__
    found = connection.execute(
        select(
            items.c.item_id, items.c.published_at, items.c.first_listed_at, items.c.left_at
        ).where(items.c.channel_id == channel_id)
    )
    published: dict[str, datetime | None] = {}
    before: dict[str, _Marks] = {}
    for item_id, published_at, first_listed_at, left_at in found:
        published[item_id] = published_at
        before[item_id] = (first_listed_at, left_at)
    after = dict(before)
    for listing in sorted(listings, key=lambda one: one.at):
        after.update(_marked(listing, after, published))
    changed = {item_id: marks for item_id, marks in after.items() if marks != before[item_id]}
    _write(connection, channel_id, changed)
    left = sum(before[one][1] is None and marks[1] is not None for one, marks in changed.items())
    back = sum(before[one][1] is not None and marks[1] is None for one, marks in changed.items())
    return left, back


def _marked(
    listing: Listing, marks: dict[str, _Marks], published: dict[str, datetime | None]
) -> dict[str, _Marks]:
    """Return the marks that *listing* changes; it may list items that are not stored."""
    listed, gone = set(listing.item_ids), set(listing.gone)
    changed: dict[str, _Marks] = {}
    for item_id, (first_listed_at, left_at) in marks.items():
        if item_id in listed and item_id not in gone:
            came_back = left_at is None or listing.at > left_at
            changed[item_id] = (first_listed_at or listing.at, None if came_back else left_at)
        elif first_listed_at is None or left_at is not None:
            continue
        elif item_id in gone or _is_missed(listing.since, published[item_id]):
            changed[item_id] = (first_listed_at, listing.at)
    return changed


def _is_missed(since: datetime | None, published_at: datetime | None) -> bool:
    """Return whether a listing of all items after *since* should contain one of this date."""
    if since is None:
        return False
    return since == EVER or (published_at is not None and published_at > since)


def _write(connection: Connection, channel_id: str, changed: dict[str, _Marks]) -> None:
    if not changed:
        return
    rows: list[dict[str, Any]] = [
        {"key": item_id, "first_listed_at": first_listed_at, "left_at": left_at}
        for item_id, (first_listed_at, left_at) in changed.items()
    ]
    items: Any = ItemRow.__table__  # with the class, it would update objects by their key
    statement = update(items).where(
        items.c.channel_id == channel_id, items.c.item_id == bindparam("key")
    )
    connection.execute(statement, rows)
