"""The outbox: notifications on their way to each target, at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.store import deliveries
from jobs.store.part import Part, reading, writing
from jobs.store.rows import DeliveryState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class Outbox(Part):
    """Recorded notifications, and their deliveries to targets."""

    notification = reading(deliveries.notification)
    post = writing(deliveries.post)
    claim = writing(deliveries.claim_deliveries)
    give_up_unended = writing(deliveries.give_up_unended)
    resend = writing(deliveries.resend)
    _settle = writing(deliveries.settle_deliveries)
    deliveries = reading(deliveries.deliveries)

    async def sent(self, message_id: str, keys: Sequence[str], at: datetime) -> None:
        """Record that the message with *keys* was delivered."""
        await self._settle(message_id, keys, DeliveryState.SENT, at=at)

    async def put_back(
        self, message_id: str, keys: Sequence[str], due_at: datetime, error: str
    ) -> None:
        """Record that the message certainly did not arrive; it is due again at *due_at*."""
        await self._settle(message_id, keys, DeliveryState.WAITING, at=due_at, error=error)

    async def give_up(
        self, message_id: str, keys: Sequence[str], at: datetime, error: str, *, certain: bool
    ) -> None:
        """Record that it is not sent again: not delivered or, if not *certain*, maybe delivered."""
        state = DeliveryState.FAILED if certain else DeliveryState.UNCONFIRMED
        await self._settle(message_id, keys, state, at=at, error=error)
