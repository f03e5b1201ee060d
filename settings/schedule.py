"""
Periodic jobs, enqueued by the cron poller.

Channels have no entries of their own here, and none in Redis. When one is due stands in the
database beside what its syncs found, in one index: that finds a thousand due ones of a hundred
thousand at once, is committed with the sync that moves it, and outlives the queues.
"""

from __future__ import annotations

from jobs import compare_channels, sync_due_channels
from runner import Periodic

SCHEDULE: tuple[Periodic, ...] = (
    Periodic("sync_due_channels", sync_due_channels, "* * * * *"),
    Periodic("compare_channels", compare_channels, "23 * * * *"),
)
