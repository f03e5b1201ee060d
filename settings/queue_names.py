"""The queues, and how many jobs of each run at a time and are tried again."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class QueueNumbers(BaseModel):
    """
    One queue's numbers.

    worker_count: jobs that one worker runs at a time. max_retries: attempts after the first,
    before a job goes to the dead set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    worker_count: int = Field(ge=1, le=10_000)
    max_retries: int = Field(ge=0, le=1_000)


class Queues(BaseModel):
    """Every queue with its numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: QueueNumbers = QueueNumbers(worker_count=5, max_retries=3)
    analytics: QueueNumbers = QueueNumbers(worker_count=10, max_retries=5)
    recommendations: QueueNumbers = QueueNumbers(worker_count=3, max_retries=3)
    notifications: QueueNumbers = QueueNumbers(worker_count=2, max_retries=2)


QUEUE_NAMES: tuple[str, ...] = tuple(Queues.model_fields)
"""In the order in which a channel's jobs reach them."""
