"""The outbox: what people are told, on its way to each target at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.store import deliveries
from jobs.store.rows import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from jobs.store.database import Database
    from jobs.store.rows import Delivery, StoredNotification


class Outbox:
    """
    Deliveries of recorded notifications; each method is one transaction, as in `ChannelStore`.

    Raises:
        StoreError: The database cannot be used. Any method.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def post(self, notification: StoredNotification, due_at: Mapping[str, datetime]) -> bool:
        """
        Record *notification*, to go to each target of *due_at* from its time on.

        Once for its key, for ever: False, and nothing is changed, if it was recorded before.
        """
        return await self._database.write(deliveries.post, notification, due_at)

    async def claim(
        self, target: str, now: datetime, *, per_hour: int, most: int, message_id: str
    ) -> list[Delivery]:
        """
        Take up to *most* due deliveries to *target*, the oldest first, to be sent as one message.

        None, while *per_hour* messages to it were begun within the last hour. Once this returns,
        they are nobody else's, and never sent a second time unless `settle` says that they may be.
        """
        return await self._database.write(
            deliveries.claim_deliveries,
            target,
            now,
            per_hour=per_hour,
            most=most,
            message_id=message_id,
        )

    async def sent(self, message_id: str, keys: Sequence[str], at: datetime) -> None:
        """Note that the message with *keys* was delivered."""
        await self._settle(message_id, keys, DeliveryState.SENT, at)

    async def put_back(
        self, message_id: str, keys: Sequence[str], due_at: datetime, error: str
    ) -> None:
        """Note that the message certainly did not arrive, and is to be sent again from *due_at*."""
        await self._settle(message_id, keys, DeliveryState.WAITING, due_at, error)

    async def give_up(
        self, message_id: str, keys: Sequence[str], at: datetime, error: str, *, certain: bool
    ) -> None:
        """Note that it is not sent again: not delivered, or (not *certain*) perhaps delivered."""
        state = DeliveryState.FAILED if certain else DeliveryState.UNCONFIRMED
        await self._settle(message_id, keys, state, at, error)

    async def give_up_unended(self, begun_before: datetime) -> int:
        """Call unconfirmed what was begun before then and never ended; how many."""
        return await self._database.write(deliveries.give_up_unended, begun_before)

    async def resend(self, key: str, target: str, now: datetime) -> bool:
        """Have one sent again, though it may have arrived; False if there is none that is over."""
        return await self._database.write(deliveries.resend, key, target, now)

    async def deliveries(
        self,
        *,
        key: str | None = None,
        states: Sequence[DeliveryState] = tuple(DeliveryState),
        limit: int = 100,
    ) -> list[Delivery]:
        """Give deliveries in *states*, of one notification or of all, the newest first."""
        return await self._database.read(deliveries.deliveries, key=key, states=states, limit=limit)

    async def _settle(
        self,
        message_id: str,
        keys: Sequence[str],
        state: DeliveryState,
        at: datetime,
        error: str | None = None,
    ) -> None:
        await self._database.write(
            deliveries.settle_deliveries, message_id, keys, state, at=at, error=error
        )
