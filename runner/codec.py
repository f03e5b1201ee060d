"""
Jobs and results ↔ bytes. JSON only: nothing read from Redis is ever executed.

A body is one JSON object with arq's keys

    t   attempt number to start at, or null      f   name of the job
    a   positional arguments, a list             k   keyword arguments, an object
    et  time of enqueueing, Unix ms

and, beside them, keys of ours that arq ignores, present only when set:

    b   id of the batch that the job belongs to
    tp  W3C traceparent of the caller
    n   random digits, if the caller chose the id: they distinguish a call that is repeated after a
        lost reply from another caller's of the same millisecond

A result has arq's keys `t f a k et s r st ft q id`, `w` (the worker) and `due` (Unix ms). If the
job succeeded at once, it also has the other keys of its body. If `s` (success) is false, `r` is an
object `{"error": type, "message": …, "traceback": …}`: exceptions travel as data.
"""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import PydanticSerializationError, from_json, to_json

from runner.errors import CodecError, JobFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MESSAGE_LIMIT = 10_000
_TRACEBACK_LIMIT = 50_000
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, the latest that a datetime can hold."""


@dataclass(slots=True)
class Envelope:
    """A job as it travels: its name, its arguments as JSON values, and its origin."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued_ms: int
    attempt: int | None = None
    batch_id: str | None = None
    trace: str | None = None
    nonce: str | None = None


class Encodable(Protocol):
    """What a body is made from: an `Envelope`, or a request to enqueue."""

    name: str
    kwargs: dict[str, Any]
    enqueued_ms: int
    attempt: int | None
    batch_id: str | None
    trace: str | None
    nonce: str | None

    @property
    def args(self) -> Sequence[Any]:
        """Positional arguments."""
        ...


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """An exception as data."""

    error: str
    message: str
    traceback: str

    @classmethod
    def of(cls, exception: BaseException) -> ErrorRecord:
        """Describe *exception*, with message and traceback cut to a limit. Never raises."""
        try:
            message = str(exception)
        except Exception as broken:  # noqa: BLE001 -- a job's own __str__ may do anything
            message = f"(its message could not be formatted: {type(broken).__name__})"
        lines = traceback.format_exception(exception)
        return cls(
            error=_qualified_name(type(exception)),
            message=_printable(message)[:_MESSAGE_LIMIT],
            traceback=_printable("".join(lines))[-_TRACEBACK_LIMIT:],
        )


def encode_job(fields: Encodable) -> bytes:
    """
    Return the body of a job.

    Raises:
        CodecError: An argument has no JSON form.
    """
    body: dict[str, Any] = {
        "t": fields.attempt,
        "f": fields.name,
        "a": fields.args,
        "k": fields.kwargs,
        "et": fields.enqueued_ms,
    }
    if fields.batch_id is not None:
        body["b"] = fields.batch_id
    if fields.trace is not None:
        body["tp"] = fields.trace
    if fields.nonce is not None:
        body["n"] = fields.nonce
    try:
        return to_json(body)
    except (PydanticSerializationError, ValueError) as error:
        raise CodecError(f"{fields.name}: an argument has no JSON form: {error}") from error


def decode_job(body: bytes) -> Envelope:
    """
    Read a body, whoever wrote it.

    Raises:
        CodecError: It is not a JSON object with arq's keys.
    """
    try:
        fields = from_json(body)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from error
    try:
        name, args, kwargs = fields["f"], fields["a"], fields["k"]
        attempt, enqueued_ms = fields.get("t"), fields["et"]
        batch_id, trace = fields.get("b"), fields.get("tp")
    except (KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"not a job: {type(error).__name__}: {error}") from error
    if (
        type(name) is not str
        or type(args) is not list
        or type(kwargs) is not dict
        or type(enqueued_ms) is not int
        or not (attempt is None or type(attempt) is int)
        or not (batch_id is None or type(batch_id) is str)
        or not (trace is None or type(trace) is str)
    ):
        raise CodecError("not a job: a field has the wrong type")
    if not 0 <= enqueued_ms <= LATEST_MS:
        raise CodecError("not a job: its time of enqueueing is out of range")
    return Envelope(name, args, kwargs, enqueued_ms, attempt, batch_id, trace)


def encode_result(fields: dict[str, Any]) -> bytes:
    """
    Return a result in arq's form.

    Raises:
        CodecError: The job's return value has no JSON form.
    """
    try:
        return to_json(fields)
    except (PydanticSerializationError, ValueError) as error:
        raise CodecError(f"the result has no JSON form: {error}") from error


def dumps(fields: dict[str, Any]) -> bytes:
    """Return JSON, exceptions as data: a `job_serializer` for stock arq clients and workers."""
    return to_json(fields, fallback=_fallback)


def loads(data: bytes) -> dict[str, Any]:
    """
    Deserialize JSON: a `job_deserializer` for stock arq clients and workers.

    The `r` of a failed job becomes a `JobFailedError`, which `arq.jobs.Job.result()` raises; that
    of an aborted job a `CancelledError`, which `arq.jobs.Job.abort()` expects.
    """
    fields: dict[str, Any] = from_json(data)
    result = fields.get("r")
    if fields.get("s") is False and isinstance(result, dict) and "error" in result:
        fields["r"] = _exception_of(str(fields.get("id", "?")), result)
    return fields


def _exception_of(job_id: str, record: dict[str, Any]) -> BaseException:
    error, message = str(record["error"]), str(record.get("message", ""))
    if error.rpartition(".")[2] == "CancelledError":
        return asyncio.CancelledError(message)
    return JobFailedError(job_id, error, message, str(record.get("traceback", "")))


def _fallback(value: Any) -> Any:
    if isinstance(value, BaseException):
        record = ErrorRecord.of(value)
        return {
            "error": record.error,
            "message": record.message,
            "traceback": record.traceback,
        }
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _qualified_name(kind: type[BaseException]) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _printable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
