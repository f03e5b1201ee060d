"""Results in arq's own form, for workers with a serializer of their own."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from arq.jobs import DeserializationError, serialize_result
from arq.worker import JobExecutionFailed

from runner import codec
from runner.codec import Envelope
from runner.worker.outcome import Aborted, Dead, Done, Expired, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from arq.jobs import Serializer

    from runner.worker.held import Ended


def result_writer(serializer: Serializer | None) -> Callable[[Ended, str], bytes] | None:
    """Return what writes results by *serializer*; None if that is ours, or None."""
    if serializer is None or serializer is codec.dumps:
        return None
    return partial(_write_result, serializer)


def _write_result(serializer: Serializer, ended: Ended, queue_key: str) -> bytes:
    """Write a result as arq does, exceptions as such; empty if there is none, or it cannot be."""
    match ended.outcome:
        case Done(result=result):
            success = True
        case Dead() | Aborted() | Expired() | Failed():
            success, result = False, _exception_of(ended)
        case _:
            return b""
    envelope = ended.envelope or Envelope("<unknown>", [], {}, 0)
    job_id = ended.claim.job_id
    written = serialize_result(
        function=envelope.name,
        args=tuple(envelope.args),
        kwargs=envelope.kwargs,
        job_try=ended.claim.attempts_spent + 1,
        enqueue_time_ms=envelope.enqueued_ms,
        success=success,
        result=result,
        start_ms=ended.started_ms,
        finished_ms=ended.finished_ms,
        ref=f"{job_id}:{envelope.name}",
        queue_name=queue_key,
        job_id=job_id,
        serializer=serializer,
    )
    return written or b""


def _exception_of(ended: Ended) -> BaseException:
    """Return what `arq.jobs.Job.result()` is to raise."""
    match ended.outcome:
        case Failed(exception=BaseException() as exception):
            return exception
        case Aborted():
            return asyncio.CancelledError()
        case Expired(error=error):
            return JobExecutionFailed(f"job expired: {error.message}")
        case Dead() if ended.claim.body is None:
            return JobExecutionFailed("job expired")
        case Dead() if ended.envelope is None:
            return DeserializationError("unable to deserialize job")
        case Dead(error=error) | Failed(error=error):
            return JobExecutionFailed(f"{error.error}: {error.message}")
        case _:
            raise AssertionError("unreachable: the others have no result")
