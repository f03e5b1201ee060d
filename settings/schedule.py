"""Periodic jobs, enqueued by the cron poller: none yet, for a channel is synced when asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner import Periodic

SCHEDULE: tuple[Periodic, ...] = ()
