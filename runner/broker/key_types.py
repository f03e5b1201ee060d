"""
The type of each key, as the table in `keys` has it: what stands there otherwise is none of ours.

Keys are named without the base of their application.

Keys that workers may not rename are apart: a wrong one refuses what it guards until an operator has
mended it (`pipeline doctor --repair`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.broker import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.broker.keys import Keys

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
    keys.WAITING_SUFFIX: "zset",
    keys.UNIQUE_SUFFIX: "hash",
    keys.LANED_SUFFIX: "hash",
    keys.LANES_SUFFIX: "hash",
    keys.UNSEATED_SUFFIX: "zset",
    keys.PACED_SUFFIX: "hash",
    keys.DROPPED_SUFFIX: "hash",
    keys.PAUSED_JOBS_SUFFIX: "hash",
    keys.AHEAD_SUFFIX: "hash",
    keys.LATER_SUFFIX: "zset",
    keys.DEAD_SUFFIX: "zset",
    keys.DONE_SUFFIX: "zset",
    keys.DIED_SUFFIX: "hash",
    keys.WAKE_SUFFIX: "list",
    keys.WORKERS_SUFFIX: "zset",
}
"""By what follows the queue's key. `:paused` is not among them: whatever it holds, it pauses."""

SHARED: Final = {
    keys.BARE.abort: "zset",
    keys.BARE.queues: "zset",
    keys.BARE.batches: "zset",
    keys.BARE.live_batches: "zset",
    keys.BARE.ticks: "hash",
    keys.BARE.metrics: "zset",
    keys.BARE.metrics_total: "hash",
    keys.BARE.releases: "hash",
    keys.BARE.memory: "stream",
    keys.BARE.fence: "string",
    keys.BARE.polls: "hash",
}

OF_OPERATORS: Final = {
    keys.BARE.schedule_paused: "hash",
    keys.BARE.audit: "stream",
    keys.BARE.sessions: "zset",
}

BY_PREFIX: Final = {
    keys.BARE.job_prefix: "string",
    keys.BARE.in_progress_prefix: "string",
    keys.BARE.retry_prefix: "string",
    keys.BARE.result_prefix: "string",
    keys.BARE.history_prefix: "list",
    keys.BARE.batch_prefix: "hash",
    keys.BARE.unique_prefix: "hash",
    keys.BARE.worker_prefix: "string",
    keys.BARE.startup_prefix: "string",
    keys.BARE.metrics_minutes_prefix: "hash",
    keys.BARE.metrics_ten_minutes_prefix: "hash",
    keys.BARE.metrics_guard_prefix: "string",
    keys.BARE.depth_prefix: "stream",
    keys.BARE.order_prefix: "string",
    keys.BARE.bulk_prefix: "hash",
    keys.BARE.session_prefix: "string",
    keys.BARE.guesses_prefix: "set",
    keys.BARE.unstarted_prefix: "set",
    keys.BARE.revoked_prefix: "string",
    keys.BARE.poll_prefix: "string",
}
"""By what a key begins with, unless it ends as one of `OF_BATCH`."""

OF_BATCH: Final = {
    ":pending": "set",
    ":dead": "set",
    ":plan": "hash",
    ":nodes": "hash",
    ":state": "hash",
    ":letters": "hash",
    ":results": "hash",
    ":ready": "zset",
}
"""By what follows the key of a batch."""


def type_of(key: str) -> str | None:
    """Return the type of a key that does not belong to a queue; None if there is no such key."""
    if kind := (SHARED | OF_OPERATORS).get(key):
        return kind
    prefix = max(filter(key.startswith, BY_PREFIX), key=len, default=None)
    if prefix == keys.BARE.batch_prefix:
        for suffix, kind in OF_BATCH.items():
            if key.endswith(suffix):
                return kind
    return None if prefix is None else BY_PREFIX[prefix]


def of_workers(own: Keys, queue_keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys, with their base and type, that workers of these queues share with others."""
    for key, kind in SHARED.items():
        yield own.base + key, kind
    for queue_key in queue_keys:
        for suffix, kind in OF_QUEUE.items():
            yield queue_key + suffix, kind
        yield own.depth_prefix + own.queue_of(queue_key), "stream"
