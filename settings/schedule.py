"""
Periodic jobs, which the cron poller enqueues, once in the fleet.

Channels have no entries here, and none in Redis: the database holds when each is due, beside the
results of its syncs. One index there finds a thousand due channels of a hundred thousand at once,
the time is committed with the sync that moves it, and it survives the loss of the queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import (
    announce_failures,
    compare_channels,
    deliver_notifications,
    measure_platform_days,
    sync_due_channels,
)
from runner import CatchUp, Periodic
from settings.groups import QUEUE_NAMES

if TYPE_CHECKING:
    from settings.environment import Settings

_EVERY_MINUTE = "* * * * *"


def make_schedule(settings: Settings) -> tuple[Periodic, ...]:
    """Every periodic job. Without a target, notifications go to the log, and none waits."""
    of_channels = (
        Periodic("sync_due_channels", sync_due_channels, _EVERY_MINUTE),
        Periodic("measure_platform_days", measure_platform_days, "11 * * * *"),
        Periodic("compare_channels", compare_channels, "23 * * * *"),
    )
    if not (settings.notify.targets or settings.notify_webhook_url):
        return of_channels
    return (
        *of_channels,
        Periodic(
            "deliver_notifications",
            deliver_notifications,
            _EVERY_MINUTE,
            catch_up=CatchUp.NONE,
        ),
        Periodic(
            "announce_failures",
            announce_failures,
            _EVERY_MINUTE,
            kwargs={"queues": list(QUEUE_NAMES)},
            catch_up=CatchUp.NONE,
        ),
    )
