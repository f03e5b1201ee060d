"""
Periodic jobs, enqueued by the cron poller, once in the fleet.

Channels have no entries of their own here, and none in Redis. When one is due stands in the
database beside what its syncs found, in one index: that finds a thousand due ones of a hundred
thousand at once, is committed with the sync that moves it, and outlives the queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import announce_failures, compare_channels, deliver_notifications, sync_due_channels
from runner import CatchUp, Periodic
from settings.queue_names import QUEUE_NAMES

if TYPE_CHECKING:
    from settings.environment import Settings

_EVERY_MINUTE = "* * * * *"


def make_schedule(settings: Settings) -> tuple[Periodic, ...]:
    """What runs by the clock. Where nobody is told of anything, nothing has to wait for anybody."""
    of_channels = (
        Periodic("sync_due_channels", sync_due_channels, _EVERY_MINUTE),
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
