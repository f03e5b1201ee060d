"""A quota ledger in memory."""

from __future__ import annotations

from collections import Counter


class MemoryLedger:
    """Counts as the store does, for one process."""

    def __init__(self) -> None:
        self.units: Counter[tuple[str, str]] = Counter()

    async def spend(self, account: str, day: str, units: int, budget: int) -> bool:
        """See `QuotaLedger`."""
        if self.units[account, day] + units > budget:
            return False
        self.units[account, day] += units
        return True

    async def exhaust(self, account: str, day: str, budget: int) -> None:
        """See `QuotaLedger`."""
        self.units[account, day] = max(self.units[account, day], budget)

    async def used(self, account: str, day: str) -> int:
        """See `QuotaLedger`."""
        return self.units[account, day]

    @property
    def total(self) -> int:
        """Return the units spent on all days."""
        return self.units.total()
