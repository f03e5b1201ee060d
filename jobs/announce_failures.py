"""Tell people of jobs that died, and of sources that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.deliver_notifications import deliver_notifications
from jobs.notify import notify, tell
from jobs.services import Services
from runner import Context, job

if TYPE_CHECKING:
    from jobs.notifications.event import Event
    from jobs.store import ChannelStore

_MOST = 1000
_IN_A_ROW = 3

# Their own deaths would be announced by themselves, and so on for ever.
_UNTOLD = frozenset({notify.name, deliver_notifications.name})


@job(queue="notifications")
async def announce_failures(ctx: Context, queues: list[str]) -> int:
    """
    Have people told of each job that died, and of each source that fails again and again.

    Whatever a job died of: it failed too often, it was lost with three workers, nobody could read
    it; *queues* are those looked at. The poller enqueues this every minute. Durable afterwards: one
    notification for each death, and for each row of failures.

    Returns how many were new.
    """
    services = ctx.get(Services)
    events = [*await _of_dead_jobs(queues), *await _of_sources(services.store)]
    return await tell(services, events)


async def _of_dead_jobs(queues: list[str]) -> list[Event]:
    from jobs.notifications.event import job_died
    from runner.admin import Admin
    from runner.current import current_client

    admin = Admin(current_client())
    return [
        job_died(dead)
        for queue in queues
        async for dead in admin.dead_jobs(queue, limit=_MOST)
        if dead.name not in _UNTOLD
    ]


async def _of_sources(store: ChannelStore) -> list[Event]:
    from jobs.notifications.event import source_failing

    events = []
    for channel_id, source in await store.syncs.failing(at_least=_IN_A_ROW):
        channel = await store.channels.find(channel_id)
        if channel is not None:
            events.append(source_failing(channel, source))
    return events
