"""Units of an interface spent by day: counted in the database, for many workers share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from jobs.store.models import QuotaDayRow
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy import Connection


def spend_quota(connection: Connection, account: str, day: str, units: int, budget: int) -> bool:
    """Count *units* if no more than *budget* are spent with them, in one step; whether it was."""
    if units > budget:
        return False
    new = insert(connection, QuotaDayRow).values(account=account, day=day, used=units)
    spent = connection.execute(
        new.on_conflict_do_update(
            index_elements=list(QuotaDayRow.__table__.primary_key),
            set_={"used": QuotaDayRow.used + units},
            where=QuotaDayRow.used + units <= budget,
        )
    )
    return spent.rowcount > 0


def exhaust_quota(connection: Connection, account: str, day: str, budget: int) -> None:
    """Note that nothing is left of the day, whatever was counted here."""
    new = insert(connection, QuotaDayRow).values(account=account, day=day, used=budget)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=list(QuotaDayRow.__table__.primary_key),
            set_={"used": budget},
            where=QuotaDayRow.used < budget,
        )
    )


def quota_used(connection: Connection, account: str, day: str) -> int:
    """Give the units counted on *day*."""
    used = connection.scalar(
        select(QuotaDayRow.used).where(QuotaDayRow.account == account, QuotaDayRow.day == day)
    )
    return used or 0
