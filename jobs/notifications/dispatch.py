"""
Send what is due to one target, at most once.

A message's claim is committed before sending, its outcome after. If a worker dies in between, the
claim has no outcome: the message may have arrived, and is not sent again.
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

MOST_PER_MESSAGE = 50
"""Most notifications in one message."""

RETRY_FOR = timedelta(days=1)
"""How long after its event a failed notification is retried."""

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 6  # enough to exceed the longest pause
_LONGEST_SENDING = timedelta(minutes=15)

_log = structlog.get_logger("jobs.notifications")


async def post(outbox: Outbox, targets: Iterable[Target], event: Event, now: datetime) -> bool:
    """
    Record *event* for those of *targets* that want it; return False if it was recorded before.

    Durable afterwards: `dispatch` sends it when it is due.
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
    Send *target* all that is due at *now* as one message; return how many notifications it held.

    Nothing is sent in its quiet hours or above its messages per hour. If the message certainly did
    not arrive, it is retried after 1, 2, 4 … 60 minutes, for a day. A failure is logged, not
    raised, so that the other targets still get theirs.

    Raises:
        StoreError: The database cannot be used.
    """
    if target.timing.is_quiet(now):
        return 0
    message_id = secrets.token_hex(8)
    claimed = await outbox.claim(
        target.name, now, per_hour=target.per_hour, most=MOST_PER_MESSAGE, message_id=message_id
    )
    if not claimed:
        return 0
    # A message cannot be recalled, so its outcome is recorded even if the job is cancelled.
    sending = asyncio.ensure_future(_Sending(outbox, target, message_id, claimed, now).send())
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        await asyncio.wait({sending})
        raise


async def give_up_unended(outbox: Outbox, now: datetime) -> None:
    """Mark messages as unconfirmed whose worker died while sending, long enough ago."""
    if number := await outbox.give_up_unended(now - _LONGEST_SENDING):
        _log.error("notifications may not have arrived: their worker died", notifications=number)


@dataclass(frozen=True, slots=True)
class _Sending:
    """One claimed message."""

    outbox: Outbox
    target: Target
    message_id: str
    claimed: Sequence[Delivery]
    now: datetime

    async def send(self) -> int:
        """Send it and record the outcome; return how many notifications were delivered."""
        keys = [one.key for one in self.claimed]
        try:
            await self.target.sender.send(compose(self.message_id, self.claimed))
        except UnconfirmedError as error:
            await self._mark_unconfirmed(keys, str(error))
            return 0
        except NotificationError as error:
            await self._put_back(str(error))
            return 0
        except Exception as error:  # noqa: BLE001 -- a library may fail after it has sent
            await self._mark_unconfirmed(keys, f"{type(error).__name__}: {error}")
            return 0
        await self.outbox.sent(self.message_id, keys, datetime.now(UTC))
        return len(keys)

    async def _mark_unconfirmed(self, keys: Sequence[str], reason: str) -> None:
        _log.error("notification may not have arrived", target=self.target.name, reason=reason)
        await self.outbox.give_up(self.message_id, keys, self.now, reason, certain=False)

    async def _put_back(self, reason: str) -> None:
        """Retry the notifications later; give up those older than `RETRY_FOR`."""
        name = self.target.name
        expired = [one.key for one in self.claimed if self.now - one.recorded_at > RETRY_FOR]
        if expired:
            _log.error("notifications given up", target=name, keys=expired, reason=reason)
            await self.outbox.give_up(self.message_id, expired, self.now, reason, certain=True)
        retried = [one for one in self.claimed if one.key not in expired]
        if retried:
            before = min(one.attempts for one in retried)
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(before, _MOST_DOUBLINGS))
            keys, due_at = [one.key for one in retried], self.now + pause
            _log.warning(
                "notification not delivered yet", target=name, reason=reason, again_at=due_at
            )
            await self.outbox.put_back(self.message_id, keys, due_at, reason)
