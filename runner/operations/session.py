"""What the commands of an operator, and `pipeline top`, work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.broker.keys import partitions_among
from runner.errors import ConfigurationError
from runner.operations.actions import known_queue
from runner.operations.job import find_queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from runner.client import QueueClient
    from runner.decorator import Job
    from runner.operations.actions import Operator
    from runner.operations.catalog import Catalog
    from runner.periodic.schedule import Periodic


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """
    Redis, what the application knows of the jobs in it, and who acts.

    queues: its own, and those that others announce. jobs: by their names. look_again: finds out
    anew which queues there are, for what stays open.
    """

    redis: QueueClient
    queues: Sequence[str]
    jobs: Mapping[str, Job[Any, Any]]
    schedule: Sequence[Periodic]
    catalog: Catalog
    operator: Operator
    look_again: Callable[[], Awaitable[None]] | None = None

    async def queue_of(self, job_id: str) -> str:
        """
        The queue of a job.

        Raises:
            ConfigurationError: No queue has it.
        """
        found = await find_queue(self.redis, self.queues, job_id)
        if found is None:
            raise ConfigurationError(
                f"there is no job {job_id}: it is done and forgotten, was deleted, or never was"
            )
        return found

    def chosen_queues(self, names: Sequence[str]) -> Sequence[str]:
        """
        Return *names*, or every queue if there are none; a queue's name means its partitions, too.

        Raises:
            ConfigurationError: One of them is not a queue.
        """
        chosen: dict[str, None] = {}
        for name in names:
            # A queue that is away, or is none, has its own error.
            some = partitions_among(self.queues, name) or [known_queue(self.queues, name)]
            chosen.update(dict.fromkeys(some))
        return list(chosen) or self.queues
