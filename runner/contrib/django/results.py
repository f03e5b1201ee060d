"""What Redis holds of a task, as Django's `TaskResult`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.broker import keys
from runner.codec import decode, decode_job
from runner.contrib.django.attempt import moment, task_error
from runner.contrib.django.framework import TaskResult, TaskResultStatus
from runner.current import blocking_client
from runner.errors import CodecError
from runner.worker.claim import worker_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.broker.blocking import BlockingPool
    from runner.contrib.django.task import PipelineTask


def read(
    result_id: str, queues: Sequence[str], tasks: Mapping[str, PipelineTask]
) -> TaskResult[..., Any] | None:
    """
    Return the result of a task in one of *queues*; None if there is none, or it is not kept.

    Raises:
        RedisError: Redis did not answer.
    """
    by_pool: dict[int, tuple[BlockingPool, list[str]]] = {}
    for queue in queues:
        pool = blocking_client(queue).pool
        by_pool.setdefault(id(pool), (pool, []))[1].append(queue)
    found = (_read(result_id, pool, names, tasks) for pool, names in by_pool.values())
    return next((one for one in found if one is not None), None)


def _read(
    result_id: str, pool: BlockingPool, queues: Sequence[str], tasks: Mapping[str, PipelineTask]
) -> TaskResult[..., Any] | None:
    of_queues: list[tuple[str, ...]] = []
    own = pool.own_keys
    for queue in map(own.queue_key, queues):
        of_queues.append(("HGET", queue + keys.RUNNING_SUFFIX, result_id))
        of_queues.append(("ZSCORE", queue + keys.DEAD_SUFFIX, result_id))
    *_, (body, ended, history, *places) = pool.run(
        ("MULTI",),
        ("GET", own.job_prefix + result_id),
        ("GET", own.result_prefix + result_id),
        ("LRANGE", own.history_prefix + result_id, "0", "-1"),
        *of_queues,
        ("EXEC",),
    )
    try:
        name = decode_job(body).name if body is not None else decode(ended or b"{}")["f"]
    except (CodecError, KeyError, TypeError):
        return None  # another program wrote it
    task = tasks.get(name)
    if task is None:
        return None
    failures = [decode(entry) for entry in history]
    if body is None:
        return _finished(decode(ended), failures).result(result_id, task)
    held_by = next((token for token in places[::2] if token is not None), None)
    is_dead = any(score is not None for score in places[1::2])
    return _unfinished(body, held_by, failures, is_dead=is_dead).result(result_id, task)


@dataclass(slots=True)
class _Found:
    """A task in Redis. failures: the entries of its history. started_ms: of the last attempt."""

    args: list[Any]
    kwargs: dict[str, Any]
    status: TaskResultStatus
    enqueued_ms: int
    failures: list[dict[str, Any]]
    started_ms: int | None = None
    finished_ms: int | None = None
    worker: str | None = None
    returned: Any = None

    def result(self, result_id: str, task: PipelineTask) -> TaskResult[..., Any]:
        """Return it as Django's."""
        # Buried by hand it was not attempted: that entry has no start.
        attempts = [one for one in self.failures if one.get("started_ms") is not None]
        starts = [one["started_ms"] for one in attempts]
        if self.started_ms is not None:
            starts.append(self.started_ms)
        workers = [one["worker"] for one in attempts]
        if self.worker is not None:
            workers.append(self.worker)
        result: TaskResult[..., Any] = TaskResult(
            task=task,
            id=result_id,
            status=self.status,
            enqueued_at=moment(self.enqueued_ms),
            started_at=moment(starts[0]) if starts else None,
            finished_at=moment(self.finished_ms),
            last_attempted_at=moment(starts[-1]) if starts else None,
            args=self.args,
            kwargs=self.kwargs,
            backend=task.backend,
            errors=[task_error(one["error"], one.get("traceback", "")) for one in self.failures],
            worker_ids=workers,
        )
        object.__setattr__(result, "_return_value", self.returned)  # it is frozen
        return result


def _unfinished(
    body: bytes, held_by: bytes | None, failures: list[dict[str, Any]], *, is_dead: bool
) -> _Found:
    job = decode_job(body)
    found = _Found(job.args, job.kwargs, TaskResultStatus.READY, job.enqueued_ms, failures)
    if held_by is not None:
        found.status = TaskResultStatus.RUNNING
        found.worker = worker_of(held_by.decode("utf-8", "replace"))
    elif is_dead:
        found.status = TaskResultStatus.FAILED
        found.finished_ms = failures[-1]["failed_ms"] if failures else None
    return found


def _finished(fields: dict[str, Any], failures: list[dict[str, Any]]) -> _Found:
    found = _Found(
        fields["a"],
        fields["k"],
        TaskResultStatus.SUCCESSFUL if fields["s"] else TaskResultStatus.FAILED,
        fields["et"],
        failures,
        finished_ms=fields["ft"],
    )
    started_ms, worker = fields["st"], fields.get("w", "")
    if fields["s"]:
        found.started_ms, found.worker, found.returned = started_ms, worker, fields["r"]
    elif not any(one.get("attempt") == fields["t"] for one in failures):
        # It was aborted: that is in no history.
        found.failures = [*failures, {"started_ms": started_ms, "worker": worker, **fields["r"]}]
    return found
