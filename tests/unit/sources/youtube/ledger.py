"""A quota ledger in memory."""

from __future__ import annotations

from collections import Counter


class MemoryLedger:
    """Counts as the store does, for one process."""

    def __init__(self) -> None:
        self.used: Counter[tuple[str, str]] = Counter()

    async def spend_quota(self, account: str, day: str, units: int, budget: int) -> bool:
        """See `QuotaLedger`."""
        if self.used[account, day] + units > budget:
            return False
        self.used[account, day] += units
        return True

    async def exhaust_quota(self, account: str, day: str, budget: int) -> None:
        """See `QuotaLedger`."""
        self.used[account, day] = max(self.used[account, day], budget)

    async def quota_used(self, account: str, day: str) -> int:
        """See `QuotaLedger`."""
        return self.used[account, day]

    @property
    def total(self) -> int:
        """Return the units spent on all days."""
        return self.used.total()
