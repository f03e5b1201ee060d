"""
Jobs and results ↔ bytes. JSON only: nothing read from Redis is ever executed.

A body is one JSON object with arq's keys

    t   attempt number to start at, or null      f   name of the job
    a   positional arguments, a list             k   keyword arguments, an object
    et  time of enqueueing, Unix ms

and, beside them, keys of ours that arq ignores, present only when set:

    b   id of the batch that the job belongs to
    tp  W3C traceparent of the caller
    n   random digits, where the caller chose the id: they tell a call that is repeated after a lost
        reply from somebody else's of the same millisecond

A result has arq's keys `t f a k et s r st ft q id`, `w` (the worker) and `due` (Unix ms), and, of a
job that went well at once, all else that its body has. Where `s` (success) is false, `r` is an
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
"""The end of the year 9999: no later time has a datetime."""


@dataclass(slots=True)
class Envelope:
    """A job as it travels: its name, its arguments as JSON values, and where it comes from."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued_ms: int
    attempt: int | None = None
    batch_id: str | None = None
    trace: str | None = None
    nonce: str | None = None


class Letter(Protocol):
    """What a body is written from: an `Envelope`, or a request to enqueue."""

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
        """Describe *exception*, message and traceback capped, never failing itself."""
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


def encode_job(letter: Letter) -> bytes:
    """
    The body of *letter*.

    Raises:
        CodecError: An argument has no JSON form.
    """
    body: dict[str, Any] = {
        "t": letter.attempt,
        "f": letter.name,
        "a": letter.args,
        "k": letter.kwargs,
        "et": letter.enqueued_ms,
    }
    if letter.batch_id is not None:
        body["b"] = letter.batch_id
    if letter.trace is not None:
        body["tp"] = letter.trace
    if letter.nonce is not None:
        body["n"] = letter.nonce
    try:
        return to_json(body)
    except (PydanticSerializationError, ValueError) as error:
        raise CodecError(f"{letter.name}: an argument has no JSON form: {error}") from error


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
        raise CodecError("not a job: its time of enqueueing is none")
    return Envelope(name, args, kwargs, enqueued_ms, attempt, batch_id, trace)


def encode_result(fields: dict[str, Any]) -> bytes:
    """
    A result in arq's form.

    Raises:
        CodecError: The job's return value has no JSON form.
    """
    try:
        return to_json(fields)
    except (PydanticSerializationError, ValueError) as error:
        raise CodecError(f"the result has no JSON form: {error}") from error


def dumps(fields: dict[str, Any]) -> bytes:
    """For a stock arq client or worker as `job_serializer`: JSON, exceptions as data."""
    return to_json(fields, fallback=_fallback)


def loads(data: bytes) -> dict[str, Any]:
    """
    For a stock arq client or worker as `job_deserializer`.

    A failed job's `r` becomes a `JobFailedError`, so that `arq.jobs.Job.result()` raises it; that
    of an aborted one a `CancelledError`, by which `arq.jobs.Job.abort()` knows it.
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
    """Lone surrogates cannot be written as UTF-8; a job's error must not fail for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
