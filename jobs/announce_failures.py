"""Notify people of jobs that died, and of sources that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.deliver_notifications import deliver_notifications
from jobs.notify import announce, notify
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from jobs.notifications.event import Event
    from jobs.store import ChannelStore

_MOST = 1000
_IN_A_ROW = 3

# Announcing the death of these jobs would start more of them, and so on for ever.
_NOT_ANNOUNCED = frozenset({notify.name, deliver_notifications.name})


@job(queue="notifications")
async def announce_failures(ctx: Context, queues: list[str]) -> int:
    """
    Notify people of each job that died in *queues*, and of each source that keeps failing.

    A job may die because it failed too often, was lost with three workers, or cannot be read. The
    poller enqueues this every minute. Durable afterwards: one notification for each death, and for
    each series of failures.

    Returns how many were new.
    """
    services = ctx.get(Services)
    events = [*await _of_dead_jobs(queues), *await _of_sources(services.store)]
    return await announce(services, events)


async def _of_dead_jobs(queues: list[str]) -> list[Event]:
    from jobs.notifications.event import job_died
    from runner.admin import Admin
    from runner.current import current_client

    admin = Admin(current_client())
    return [
        job_died(dead)
        for queue in queues
        async for dead in admin.dead_jobs(queue, limit=_MOST)
        if dead.name not in _NOT_ANNOUNCED
    ]


async def _of_sources(store: ChannelStore) -> list[Event]:
    from jobs.notifications.event import source_failing

    events = []
    for channel_id, source in await store.syncs.failing(at_least=_IN_A_ROW):
        channel = await store.channels.find(channel_id)
        if channel is not None:
            events.append(source_failing(channel, source))
    return events
