"""
Workers and clients with a serializer of their own: `job_serializer` and `job_deserializer`.

Ours is JSON, and needs none of this. Who comes from arq with jobs in a queue may go on with what
wrote them, `pickle.dumps` and `pickle.loads` included, by naming it, as arq lets its users do.
Nothing here unpickles unless it was asked to.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from arq.jobs import DeserializationError, SerializationError, serialize_result
from arq.worker import JobExecutionFailed

from runner import codec
from runner.broker import keys
from runner.codec import Envelope, decode_job
from runner.enqueue import Enqueue
from runner.errors import CodecError
from runner.worker.outcome import Aborted, Dead, Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from arq.jobs import Deserializer, Serializer

    from runner.worker.settle import Ended

MakeRequest = type[Enqueue] | partial["SerializedEnqueue"]
"""Makes an `Enqueue` of its fields."""


@dataclass(slots=True)
class SerializedEnqueue(Enqueue):
    """A job on its way, whose body *serializer* writes."""

    serializer: Serializer = codec.dumps

    def body(self) -> bytes:
        """
        arq's keys, and those of ours that are set.

        Raises:
            SerializationError: The serializer does not take the arguments; arq's own error.
        """
        fields = {
            "t": self.attempt,
            "f": self.name,
            "a": tuple(self.args),
            "k": dict(self.kwargs),
            "et": self.enqueued_ms,
        }
        ours = {"b": self.batch_id, "tp": self.trace, "n": self.nonce}
        fields |= {key: value for key, value in ours.items() if value is not None}
        try:
            return self.serializer(fields)
        except Exception as error:
            raise SerializationError(f'unable to serialize job "{self.name}"') from error


def request_maker(serializer: Serializer | None) -> MakeRequest:
    """What makes requests for clients and workers with *serializer*; None is ours."""
    if serializer is None or serializer is codec.dumps:
        return Enqueue
    return partial(SerializedEnqueue, serializer=serializer)


def body_reader(deserializer: Deserializer | None) -> Callable[[bytes], Envelope]:
    """
    What reads bodies for workers with *deserializer*; None is ours.

    A body that it cannot read may still be one of ours, from a service that uses `@job`.
    """
    if deserializer is None or deserializer is codec.loads:
        return decode_job

    def read(body: bytes) -> Envelope:
        try:
            return _envelope(deserializer(body))
        except Exception as error:  # noqa: BLE001 -- it may be anybody's code
            problem = error
        try:
            return decode_job(body)
        except CodecError:
            raise CodecError(f"unable to deserialize job: {problem}") from problem

    return read


def result_writer(serializer: Serializer | None) -> Callable[[Ended, str], bytes] | None:
    """What writes results of plain functions for workers with *serializer*; None is ours."""
    if serializer is None or serializer is codec.dumps:
        return None
    return partial(_write_result, serializer)


def _envelope(fields: dict[str, Any]) -> Envelope:
    name, enqueued_ms, attempt = fields["f"], fields["et"], fields["t"]
    if (
        type(name) is not str
        or not isinstance(fields["a"], list | tuple)
        or type(enqueued_ms) is not int
        or not 0 <= enqueued_ms <= codec.LATEST_MS
        or not (attempt is None or type(attempt) is int)
    ):
        raise TypeError("a field has the wrong type")
    return Envelope(
        name=name,
        args=list(fields["a"]),
        kwargs=dict(fields["k"]),
        enqueued_ms=enqueued_ms,
        attempt=attempt,
        batch_id=fields.get("b"),
        trace=fields.get("tp"),
    )


def _write_result(serializer: Serializer, ended: Ended, queue: str) -> bytes:
    """As arq writes it, exceptions as themselves; empty if there is none, or no way to write it."""
    match ended.outcome:
        case Done(result=result):
            success = True
        case Dead() | Aborted() | Failed():
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
        queue_name=keys.queue_key(queue),
        job_id=job_id,
        serializer=serializer,
    )
    return written or b""


def _exception_of(ended: Ended) -> BaseException:
    """What `arq.jobs.Job.result()` is to raise."""
    match ended.outcome:
        case Failed(exception=BaseException() as exception):
            return exception
        case Aborted():
            return asyncio.CancelledError()
        case Dead() if ended.claim.body is None:
            return JobExecutionFailed("job expired")
        case Dead() if ended.envelope is None:
            return DeserializationError("unable to deserialize job")
        case Dead(error=error) | Failed(error=error):
            return JobExecutionFailed(f"{error.error}: {error.message}")
        case _:
            raise AssertionError("unreachable: the others have no result")
