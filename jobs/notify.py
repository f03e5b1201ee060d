"""Tell people."""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.services import Services
from runner import Context, job


@job(queue="notifications")
async def notify(ctx: Context, key: str) -> bool:
    """
    Deliver the recorded notification of *key*, unless it was delivered before.

    Durable afterwards: that it was delivered, and when. A worker that dies between the delivery
    and that note delivers it again; the key lets the receiver know it again.

    Returns whether it was delivered now.

    Raises:
        NotStoredError: No notification of this key was recorded.
        NotificationError: It was not delivered; it is retried.
    """
    from jobs.store import NotStoredError

    services = ctx.get(Services)
    recorded = await services.store.notification(key)
    if recorded is None:
        raise NotStoredError(f"notification {key}", "it was never recorded")
    if recorded.delivered_at is not None:
        return False
    await services.notifier.send(key=key, title=recorded.title, body=recorded.body)
    await services.store.mark_notified(key, datetime.now(UTC))
    return True
