"""What an operator's commands work with, put together from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.commands.desk import Desk
from runner.operations.catalog import Catalog
from settings.queue_names import QUEUE_NAMES
from settings.schedule import make_schedule

if TYPE_CHECKING:
    from runner import QueueClient
    from runner.operations.actions import Operator
    from settings.environment import Settings


def make_desk(settings: Settings, redis: QueueClient, operator: Operator) -> Desk:
    """Every queue, every job that it may hold, every schedule."""
    import jobs

    known = [getattr(jobs, name) for name in jobs.__all__]
    return Desk(
        redis=redis,
        queues=QUEUE_NAMES,
        jobs={job.name: job for job in known},
        schedule=make_schedule(settings),
        catalog=Catalog.of(known),
        operator=operator,
    )
