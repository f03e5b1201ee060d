"""Notify people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.notifications.event import Event


@job(queue="notifications")
async def notify(ctx: Context, key: str) -> int:
    """
    Send the recorded notification of *key* to the targets that take it now.

    Each target gets it at most once: if a worker dies while sending, it is not sent again, and is
    marked as unconfirmed. To targets that are down, in quiet hours or waiting for a digest,
    `deliver_notifications` sends it later.

    Returns how many notifications were delivered; others may have waited for the same targets.

    Raises:
        NotStoredError: No notification of this key was recorded.
    """
    from jobs.notifications.dispatch import dispatch
    from jobs.store import NotStoredError

    services = ctx.get(Services)
    recorded = await services.store.outbox.notification(key)
    if recorded is None:
        raise NotStoredError(f"notification {key}", "it was never recorded")
    outbox, now = services.store.outbox, datetime.now(UTC)
    wanting = [one for one in services.targets if one.wants(recorded.kind)]
    return sum([await dispatch(outbox, target, now) for target in wanting])


async def announce(services: Services, events: Iterable[Event]) -> int:
    """Record each of *events* that is new and enqueue its notification; return how many were."""
    from jobs.notifications.dispatch import post

    new = 0
    for event in events:
        if await post(services.store.outbox, services.targets, event, datetime.now(UTC)):
            await notify.enqueue(key=event.key)
            new += 1
    return new
