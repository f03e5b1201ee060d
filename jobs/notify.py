"""Tell people."""

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
    Tell the targets of the recorded notification of *key*, those that may be told now.

    To each it is sent at most once: what was on the way when a worker died is not sent again, and
    stands as unconfirmed. Targets that are down, quiet, or wait for a digest hear of it by
    `deliver_notifications` later.

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


async def tell(services: Services, events: Iterable[Event]) -> int:
    """Have people told of each of *events* that is new; how many were."""
    from jobs.notifications.dispatch import post

    new = 0
    for event in events:
        if await post(services.store.outbox, services.targets, event, datetime.now(UTC)):
            await notify.enqueue(key=event.key)
            new += 1
    return new
