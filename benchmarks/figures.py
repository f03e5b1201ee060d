"""The names of the figures, and the targets of some of them."""

from __future__ import annotations

from dataclasses import dataclass, field

DRAIN_10 = "drain, concurrency 10"
DRAIN_32 = "drain, concurrency 32"
DRAIN_10_INFO = "drain, concurrency 10, a log line or more for each job"
DRAIN_32_INFO = "drain, concurrency 32, a log line or more for each job"
ENQUEUE = "enqueue, one await at a time in 32 tasks"
BULK = "enqueue in bulk"
PICK_UP_MEDIAN = "idle pick-up, enqueue returned to coroutine started, median"
PICK_UP_P99 = "idle pick-up, enqueue returned to coroutine started, p99"
PICK_UP_CALL_MEDIAN = "idle pick-up, enqueue called to coroutine started, median"
PICK_UP_CALL_P99 = "idle pick-up, enqueue called to coroutine started, p99"
BACKLOG_SMALL = "drain, concurrency 10, first 10,000 of 10,000 ready"
BACKLOG_READY = "drain, concurrency 10, first 10,000 of 1,000,000 ready"
BACKLOG_SCHEDULED = "drain, concurrency 10, 10,000 ready beside 1,000,000 scheduled"
ROUND_TRIPS = "round trips to Redis for each job, concurrency 32"
WORKER_CPU_10 = "worker CPU for each job, concurrency 10"
WORKER_CPU_32 = "worker CPU for each job, concurrency 32"
REDIS_CPU = "Redis CPU for each job, concurrency 32"
REDIS_READS = "Redis reads for each job, concurrency 32"
LOG_LINES = "log lines for each job at INFO"
FLOW = "jobs that lead to one callback"
MEMORY = "memory of an idle worker"
MEMORY_DEFAULT = "memory of an idle worker, settings.DefaultWorker"

FEATURES = ("unique", "priority", "lane", "deadline")
"""Features of a job whose cost is measured: enqueued one by one, drained at 32."""


def enqueue_of(feature: str) -> str:
    """Return the name of the figure."""
    return f"enqueue, one await at a time in 32 tasks, {feature}"


def drain_of(feature: str) -> str:
    """Return the name of the figure."""
    return f"drain, concurrency 32, {feature}"


Results = dict[str, dict[str, "Figure"]]
"""By system, then by name of the figure."""


@dataclass
class Figure:
    """One figure of one system: a value per run. jobs: in one run, if that matters."""

    unit: str
    runs: list[float] = field(default_factory=list)
    jobs: int | None = None


@dataclass(frozen=True)
class Ratio:
    """Ours must be at least *least* times theirs in *figure*."""

    figure: str
    theirs: str
    least: float


@dataclass(frozen=True)
class Limit:
    """Ours must be at most *most*."""

    figure: str
    most: float
    unit: str


RATIOS = (
    Ratio(DRAIN_10, "arq", 40),
    Ratio(DRAIN_10, "saq", 8),
    Ratio(DRAIN_10, "streaq", 15),
    Ratio(DRAIN_10, "taskiq", 6),
    Ratio(DRAIN_10, "dramatiq", 5),
    Ratio(DRAIN_10, "sidekiq", 1),
    Ratio(DRAIN_32, "arq", 60),
    Ratio(DRAIN_32, "bullmq", 2),
    Ratio(ENQUEUE, "arq", 3),
    Ratio(FLOW, "bullmq", 4),
)

BULK_OVER_PYTHON = 4
"""Our bulk rate must be at least this multiple of the best Python peer's."""

BACKLOG_LEAST = 0.8
"""The drain rate with a million waiting jobs must be at least this share of that with 10,000."""

LIMITS = (
    Limit(PICK_UP_MEDIAN, 2, "ms"),
    Limit(PICK_UP_P99, 15, "ms"),
    Limit(ROUND_TRIPS, 0.25, ""),
)
