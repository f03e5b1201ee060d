"""A quota is counted before it is spent, for all who share it, and never past the budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobs.store import open_store

if TYPE_CHECKING:
    from jobs.store import ChannelStore

DAY = "2026-03-08"
OTHER_DAY = "2026-03-09"


async def test_units_are_counted_up_to_the_budget(store: ChannelStore) -> None:
    """What would go past the budget is refused, and counts nothing."""
    assert await store.quotas.spend("a", DAY, 6, 10)
    assert not await store.quotas.spend("a", DAY, 5, 10)
    assert await store.quotas.spend("a", DAY, 4, 10)
    assert await store.quotas.used("a", DAY) == 10


async def test_first_units_may_be_too_many(store: ChannelStore) -> None:
    """A budget that is smaller than one call is never spent."""
    assert not await store.quotas.spend("a", DAY, 2, 1)
    assert await store.quotas.used("a", DAY) == 0


async def test_accounts_and_days_are_counted_apart(store: ChannelStore) -> None:
    """Another key or another day has a budget of its own."""
    assert await store.quotas.spend("a", DAY, 10, 10)
    assert await store.quotas.spend("a", OTHER_DAY, 10, 10)
    assert await store.quotas.spend("b", DAY, 10, 10)


async def test_exhausted_day_is_over_for_all(store: ChannelStore) -> None:
    """Once the API says that nothing is left, no worker spends more that day."""
    await store.quotas.spend("a", DAY, 1, 10)
    await store.quotas.exhaust("a", DAY, 10)
    assert not await store.quotas.spend("a", DAY, 1, 10)
    await store.quotas.exhaust("b", DAY, 10)
    assert await store.quotas.used("b", DAY) == 10


async def test_many_spend_no_more_than_there_is(database_url: str, store: ChannelStore) -> None:
    """Of many concurrent callers on several connections, as many get a unit as there are."""
    async with open_store(database_url) as other:
        stores = (store, other)
        got = await asyncio.gather(
            *(stores[n % 2].quotas.spend("many", DAY, 1, 25) for n in range(60))
        )
    assert sum(got) == 25
    assert await store.quotas.used("many", DAY) == 25
