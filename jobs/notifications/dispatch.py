"""
Bring what is due to one target, at most once.

The claim of a message is committed before it leaves, and its end after. A worker that dies in
between leaves a claim without an end: nobody knows whether it arrived, and nobody sends it again.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from jobs.notifications.message import compose
from jobs.notifications.sender import NotificationError, UnconfirmedError
from jobs.store import StoredNotification

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.notifications.event import Event
    from jobs.notifications.target import Target
    from jobs.store import Delivery, Outbox

MOST_TOGETHER = 50
"""Most notifications in one message."""

PATIENCE = timedelta(days=1)
"""How long after its event a notification is tried again."""

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_DOUBLED = 6  # times, which is past the longest pause
_LONGEST_SENDING = timedelta(minutes=15)

_log = structlog.get_logger("jobs.notifications")


async def post(outbox: Outbox, targets: Iterable[Target], event: Event, now: datetime) -> bool:
    """
    Record *event* for those of *targets* that want it; False if that was done before.

    Durable afterwards: it is on its way, and `dispatch` sends it when it is due.
    """
    recorded = StoredNotification(
        key=event.key,
        channel_id=event.channel_id,
        kind=event.kind,
        title=event.title,
        body=event.body,
        recorded_at=now,
        delivered_at=None,
    )
    due_at = {one.name: one.timing.due_at(now) for one in targets if one.wants(event.kind)}
    return await outbox.post(recorded, due_at)


async def dispatch(outbox: Outbox, target: Target, now: datetime) -> int:
    """
    Send *target* all that is due at *now*, as one message; how many notifications were delivered.

    None in its quiet hours, or beyond its messages for an hour. What certainly did not arrive is
    tried again after 1, 2, 4 … 60 minutes, for a day. A failure is logged, not raised: it is one
    target's, and the others shall hear.

    Raises:
        StoreError: The database cannot be used.
    """
    if target.timing.is_quiet(now):
        return 0
    message_id = secrets.token_hex(8)
    claimed = await outbox.claim(
        target.name, now, per_hour=target.per_hour, most=MOST_TOGETHER, message_id=message_id
    )
    if not claimed:
        return 0
    # What has left cannot be called back: its end is noted, even if the job is being cancelled.
    sending = asyncio.ensure_future(_Sending(outbox, target, message_id, claimed, now).send())
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        await asyncio.wait({sending})
        raise


async def give_up_unended(outbox: Outbox, now: datetime) -> None:
    """Take note of sendings whose worker died on the way, long enough ago."""
    if number := await outbox.give_up_unended(now - _LONGEST_SENDING):
        _log.error("notifications may not have arrived: their worker died", notifications=number)


@dataclass(frozen=True, slots=True)
class _Sending:
    """One message on its way."""

    outbox: Outbox
    target: Target
    message_id: str
    claimed: Sequence[Delivery]
    now: datetime

    async def send(self) -> int:
        """Send it, and note how that ended; how many notifications were delivered."""
        keys = [one.key for one in self.claimed]
        try:
            await self.target.sender.send(compose(self.message_id, self.claimed))
        except UnconfirmedError as error:
            await self._call_unconfirmed(keys, str(error))
            return 0
        except NotificationError as error:
            await self._put_back(str(error))
            return 0
        except Exception as error:  # noqa: BLE001 -- what a library raises says not what it had sent
            await self._call_unconfirmed(keys, f"{type(error).__name__}: {error}")
            return 0
        await self.outbox.sent(self.message_id, keys, datetime.now(UTC))
        return len(keys)

    async def _call_unconfirmed(self, keys: Sequence[str], reason: str) -> None:
        _log.error("notification may not have arrived", target=self.target.name, reason=reason)
        await self.outbox.give_up(self.message_id, keys, self.now, reason, certain=False)

    async def _put_back(self, reason: str) -> None:
        """Each of them again later, but those whose day is over."""
        name = self.target.name
        over = [one.key for one in self.claimed if self.now - one.recorded_at > PATIENCE]
        if over:
            _log.error("notifications given up", target=name, keys=over, reason=reason)
            await self.outbox.give_up(self.message_id, over, self.now, reason, certain=True)
        left = [one for one in self.claimed if one.key not in over]
        if left:
            before = min(one.attempts for one in left)
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(before, _DOUBLED))
            keys, due_at = [one.key for one in left], self.now + pause
            _log.warning(
                "notification not delivered yet", target=name, reason=reason, again_at=due_at
            )
            await self.outbox.put_back(self.message_id, keys, due_at, reason)
