"""Send the notifications that had to wait."""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.services import Services
from runner import Context, job


@job(queue="notifications")
async def deliver_notifications(ctx: Context) -> int:
    """
    Send what is due now: digests, and what waited for quiet hours or a target that was down.

    The poller enqueues it every minute.

    Returns how many notifications were delivered.
    """
    from jobs.notifications.dispatch import dispatch, give_up_unended

    services = ctx.get(Services)
    outbox, now = services.store.outbox, datetime.now(UTC)
    await give_up_unended(outbox, now)
    return sum([await dispatch(outbox, target, now) for target in services.targets])
