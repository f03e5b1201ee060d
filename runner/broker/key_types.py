"""
The type of each key, as the table in `keys` has it: what stands there otherwise is none of ours.

Keys that workers may not rename are apart: a wrong one refuses what it guards until an operator has
mended it (`pipeline doctor --repair`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.broker import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OF_QUEUE: Final = {
    "": "zset",
    keys.RUNNING_SUFFIX: "hash",
    keys.HOLDERS_SUFFIX: "zset",
    keys.LATE_SUFFIX: "hash",
    keys.SUSPECTS_SUFFIX: "zset",
    keys.VOLUNTEER_SUFFIX: "string",
    keys.RETRYING_SUFFIX: "zset",
    keys.CRASHES_SUFFIX: "hash",
    keys.PARKED_SUFFIX: "zset",
    keys.PARKED_NAMES_SUFFIX: "set",
    keys.UNKNOWN_SUFFIX: "hash",
    keys.DEAD_SUFFIX: "zset",
    keys.DIED_SUFFIX: "hash",
    keys.WAKE_SUFFIX: "list",
    keys.WORKERS_SUFFIX: "zset",
}
"""By what follows the queue's key. `:paused` is not among them: whatever it holds, it pauses."""

SHARED: Final = {
    keys.ABORT: "zset",
    keys.QUEUES: "zset",
    keys.TICKS: "hash",
    keys.METRICS: "zset",
    keys.METRICS_TOTAL: "hash",
    keys.RELEASES: "hash",
    keys.MEMORY: "stream",
    keys.FENCE: "string",
    keys.POLLS: "hash",
}

OF_OPERATORS: Final = {
    keys.SCHEDULE_PAUSED: "hash",
    keys.AUDIT: "stream",
    keys.SESSIONS: "zset",
}

BY_PREFIX: Final = {
    keys.JOB_PREFIX: "string",
    keys.IN_PROGRESS_PREFIX: "string",
    keys.RETRY_PREFIX: "string",
    keys.RESULT_PREFIX: "string",
    keys.HISTORY_PREFIX: "list",
    keys.BATCH_PREFIX: "hash",
    keys.WORKER_PREFIX: "string",
    keys.STARTUP_PREFIX: "string",
    keys.METRICS_MINUTES_PREFIX: "hash",
    keys.METRICS_TEN_MINUTES_PREFIX: "hash",
    keys.METRICS_GUARD_PREFIX: "string",
    keys.DEPTH_PREFIX: "stream",
    keys.ORDER_PREFIX: "string",
    keys.BULK_PREFIX: "hash",
    keys.SESSION_PREFIX: "string",
    keys.GUESSES_PREFIX: "set",
    keys.UNSTARTED_PREFIX: "set",
    keys.REVOKED_PREFIX: "string",
    keys.POLL_PREFIX: "string",
}
"""By what a key begins with; of a batch, `…:dead` is a set."""


def type_of(key: str) -> str | None:
    """Return the type of a key that does not belong to a queue; None if there is no such key."""
    if kind := (SHARED | OF_OPERATORS).get(key):
        return kind
    prefix = max(filter(key.startswith, BY_PREFIX), key=len, default=None)
    if prefix == keys.BATCH_PREFIX and key.endswith(":dead"):
        return "set"
    return None if prefix is None else BY_PREFIX[prefix]


def of_workers(queue_keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys with their types that workers of these queues share with others."""
    yield from SHARED.items()
    for queue_key in queue_keys:
        for suffix, kind in OF_QUEUE.items():
            yield queue_key + suffix, kind
        yield keys.DEPTH_PREFIX + keys.queue_of(queue_key), "stream"
