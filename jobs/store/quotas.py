"""Units of an API spent by day: counted in the database, since many workers share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from jobs.store.models import QuotaDayRow
from jobs.store.upsert import insert

if TYPE_CHECKING:
    from sqlalchemy import Connection


def spend(connection: Connection, account: str, day: str, units: int, budget: int) -> bool:
    """
    Count *units* of the account's *day*, unless the day's total would exceed *budget*.

    The caller may spend them if this returns True: of many concurrent callers, no more get True
    than the budget has room for.
    """
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


def exhaust(connection: Connection, account: str, day: str, budget: int) -> None:
    """Record that nothing is left of the account's *day*, whatever was counted here."""
    new = insert(connection, QuotaDayRow).values(account=account, day=day, used=budget)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=list(QuotaDayRow.__table__.primary_key),
            set_={"used": budget},
            where=QuotaDayRow.used < budget,
        )
    )


def used(connection: Connection, account: str, day: str) -> int:
    """Return the units counted on the account's *day*."""
    units = connection.scalar(
        select(QuotaDayRow.used).where(QuotaDayRow.account == account, QuotaDayRow.day == day)
    )
    return units or 0
