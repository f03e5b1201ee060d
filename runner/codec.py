"""
Jobs and results ↔ bytes. JSON only: nothing read from Redis is ever executed.

A body is one JSON object with arq's keys

    t   attempt number to start at, or null      f   name of the job
    a   positional arguments, a list             k   keyword arguments, an object
    et  time of enqueueing, Unix ms

and, beside them, keys of ours that arq ignores, present only when set:

    b   id of the batch that the job belongs to
    tp  W3C traceparent of the caller; of the job that enqueued it, if that is in no other trace
    sw  ms after it is due within which an attempt has to start
    x   Unix ms after which no attempt starts; the script that enqueues the job writes it
    dl  the same as ms after `et`, of what a script enqueues later and writes `et` for
    n   random digits, if the caller chose the id: they distinguish a call that is repeated after a
        lost reply from another caller's of the same millisecond
    in  of a node of a flow: what it gets from others; see `passing`
    out of a node of a flow whose result others need: paths to lists in it

A result has arq's keys `t f a k et s r st ft q id`, `w` (the worker), `due` (Unix ms), and `b` and
`tp` of its body. If the job succeeded at once, it also has the other keys of its body. If `s`
(success) is false, `r` is an object `{"error": type, "message": …, "traceback": …}`: exceptions
travel as data.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic_core import from_json, to_json

from runner.checks import LATEST_MS
from runner.errors import CodecError, JobFailedError
from runner.redaction import scrubbed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXPIRED = "Expired"
"""Stands for the type of the error in the result of a job that was too late to start."""

_MESSAGE_LIMIT = 10_000
_TRACEBACK_LIMIT = 50_000
_MARGIN = 4_096
_FRAMES = 100
"""Of each traceback, the innermost ones: a recursion may leave a thousand, or a million."""

_DEPTH = 200
"""How deep the decoder reads; the encoder writes deeper."""

_DIGITS = 4300
"""How many digits of a number the decoder reads."""

_ALL_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_TOO_MANY_DIGITS = b"0" * (_DIGITS + 1)
_SHOWN_DEPTH = 20
_SHOWN_ITEMS = 1000
_SHOWN_CHARACTERS = 500
_SHOWN_BITS = 64


class Json(bytes):
    """A value that is JSON already."""


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
    inputs: list[Any] | None = None
    passes: list[Any] | None = None
    limits: dict[str, int] | None = None
    """Of `sw`, `x` and `dl` those that it has."""

    @property
    def start_within_ms(self) -> int | None:
        """How many ms after it is due an attempt has to start; None: any time."""
        return None if self.limits is None else self.limits.get("sw")

    @property
    def deadline_ms(self) -> int | None:
        """Unix ms after which no attempt starts; None: at any time."""
        if self.limits is None:
            return None
        until_ms, after_ms = self.limits.get("x"), self.limits.get("dl")
        return (
            self.enqueued_ms + after_ms if until_ms is None and after_ms is not None else until_ms
        )


class Encodable(Protocol):
    """
    What a body is made from: an `Envelope`, or a request to enqueue.

    limits: those keys of which the time until which it may start consists.
    """

    name: str
    kwargs: dict[str, Any]
    enqueued_ms: int
    attempt: int | None
    batch_id: str | None
    trace: str | None
    nonce: str | None
    limits: dict[str, int] | None

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
        """
        Describe *exception*: message and traceback without secrets, cut to a limit. Never raises.

        What is known to be secret here (see `runner.redaction.hiding`) is left out, too.
        """
        message, trace = text_of(exception), _traceback_of(exception)
        return cls(
            error=_qualified_name(type(exception)),
            # Cut after it was read: half a secret would not be recognised.
            message=scrubbed(message[: _MESSAGE_LIMIT + _MARGIN])[:_MESSAGE_LIMIT],
            traceback=scrubbed(trace[-_TRACEBACK_LIMIT - _MARGIN :])[-_TRACEBACK_LIMIT:],
        )


def encode(value: Any, what: str = "the value") -> bytes:
    """
    Return *value* as JSON that `decode` reads.

    Whatever the value's own code raises while it is written is a CodecError, too.

    Raises:
        CodecError: It has no JSON form, or holds NaN or Infinity, or is too deep. Names *what*.
    """
    written = write(value, what)
    # `count`, since `in` is twice as slow for bytes.
    has_nan = written.count(b"NaN") or written.count(b"Infinity")
    if has_nan or (len(written) > 2 * _DEPTH and _may_be_too_deep(written)):
        _read_again(written, what)
    return written


def write(value: Any, what: str) -> bytes:
    """Do as `encode` does, for a value that holds no NaN and cannot be too deep."""
    try:
        written = to_json(value)
    except BaseException as error:
        raise CodecError(f"{what} has no JSON form: {line_of(error)}") from error
    if len(written) > _DIGITS and _may_be_too_long(written):
        _read_again(written, what)
    return written


def encode_shown(value: Any) -> bytes:
    """
    Return *value* as JSON for people to look at. Never raises.

    What has no JSON form is shown as text: NaN, half of a character, an object.
    """
    try:
        written = to_json(value, fallback=_shown_text, inf_nan_mode="strings")
        if len(written) > 2 * _DEPTH and (_may_be_too_deep(written) or _may_be_too_long(written)):
            _read_again(written, "")
    except BaseException:  # noqa: BLE001 -- as in `write`
        return to_json(_shown(value, _SHOWN_DEPTH))
    return written


def decode(data: bytes) -> Any:
    """
    Return the value of JSON that `encode` or another program wrote.

    Raises:
        CodecError: It is not JSON. NaN and Infinity are not.
    """
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise CodecError(f"not JSON: {error}") from error


def encode_job(fields: Encodable) -> bytes:
    """
    Return the body of a job.

    Raises:
        CodecError: An argument has no JSON form.
    """
    return encode(body_of(fields), f"{fields.name}: an argument")


def body_of(fields: Encodable) -> dict[str, Any]:
    """Return the keys and values of a job's body."""
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
    if fields.limits is not None:
        body |= fields.limits
    if fields.nonce is not None:
        body["n"] = fields.nonce
    return body


def decode_job(body: bytes) -> Envelope:
    """
    Read a body, whoever wrote it.

    Raises:
        CodecError: It is not a JSON object with arq's keys.
    """
    fields = decode(body)
    try:
        name, args, kwargs = fields["f"], fields["a"], fields["k"]
        attempt, enqueued_ms = fields.get("t"), fields["et"]
    except (KeyError, TypeError, AttributeError) as error:
        raise CodecError(f"not a job: {type(error).__name__}: {error}") from error
    if (
        type(name) is not str
        or type(args) is not list
        or type(kwargs) is not dict
        or type(enqueued_ms) is not int
        or not (attempt is None or type(attempt) is int)
    ):
        raise CodecError(_WRONG_TYPE)
    if not 0 <= enqueued_ms <= LATEST_MS:
        raise CodecError("not a job: its time of enqueueing is out of range")
    envelope = Envelope(name, args, kwargs, enqueued_ms, attempt)
    if len(fields) > _ARQS_FIELDS or "t" not in fields:
        _read_ours(envelope, fields)
    return envelope


_WRONG_TYPE: Final = "not a job: a field has the wrong type"
_ARQS_FIELDS: Final = 5
"""Most jobs have no other fields: eight look-ups fewer each."""


def _read_ours(envelope: Envelope, fields: dict[str, Any]) -> None:
    """
    Read the fields that arq does not have.

    Raises:
        CodecError: One has the wrong type, or is no time.
    """
    get = fields.get
    envelope.batch_id, envelope.trace = batch_id, trace = get("b"), get("tp")
    envelope.inputs, envelope.passes = inputs, passes = get("in"), get("out")
    envelope.nonce = nonce = get("n")
    if (
        not (batch_id is None or type(batch_id) is str)
        or not (trace is None or type(trace) is str)
        or not (inputs is None or type(inputs) is list)
        or not (passes is None or type(passes) is list)
        or not (nonce is None or type(nonce) is str)
    ):
        raise CodecError(_WRONG_TYPE)
    limits: dict[str, int] = {one: fields[one] for one in ("sw", "x", "dl") if one in fields}
    for value in limits.values():
        if type(value) is not int or not 0 <= value <= LATEST_MS:
            raise CodecError("not a job: the time until which it may start is none")
    if limits:
        envelope.limits = limits


def dumps(fields: dict[str, Any]) -> bytes:
    """Return JSON, exceptions as data: a `job_serializer` for stock arq clients and workers."""
    written = to_json(fields, fallback=_fallback)
    if b"NaN" in written or b"Infinity" in written:
        _read_again(written, "a value")
    return written


def loads(data: bytes) -> dict[str, Any]:
    """
    Deserialize JSON: a `job_deserializer` for stock arq clients and workers.

    The `r` of a failed job becomes a `JobFailedError`, which `arq.jobs.Job.result()` raises; that
    of an aborted job a `CancelledError`, which `arq.jobs.Job.abort()` expects.
    """
    fields: dict[str, Any] = decode(data)
    if type(fields) is not dict:
        raise CodecError("neither a job nor a result: not a JSON object")
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


def printable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode."""
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")


def text_of(value: object) -> str:
    """Return `str(value)` as UTF-8 can encode it. Never raises, whatever the value's code does."""
    try:
        return printable(str(value))
    except BaseException as broken:  # noqa: BLE001 -- a job's own __str__ may do anything
        return f"(its message could not be formatted: {type(broken).__name__})"


def line_of(error: BaseException) -> str:
    """Return the text of *error* as one line."""
    return " ".join(text_of(error).split())


def _may_be_too_deep(written: bytes) -> bool:
    return written.count(b"[") + written.count(b"{") > _DEPTH


def _may_be_too_long(written: bytes) -> bool:
    """Whether there is a number of so many digits, maybe in a text."""
    return _TOO_MANY_DIGITS in written.translate(_ALL_DIGITS)


def _read_again(written: bytes, what: str) -> None:
    try:
        from_json(written, allow_inf_nan=False)
    except ValueError as error:
        reason = "NaN and Infinity are no JSON" if "expected" in str(error) else str(error)
        raise CodecError(f"{what} has no JSON form: {reason}") from None


def _traceback_of(exception: BaseException) -> str:
    try:
        return printable("".join(traceback.format_exception(exception, limit=-_FRAMES)))
    except BaseException as broken:  # noqa: BLE001 -- so may its notes, causes, their classes
        problem = f"({type(broken).__name__} while the rest was formatted)\n"
    try:
        frames = traceback.format_tb(exception.__traceback__, limit=-_FRAMES)
    except BaseException:  # noqa: BLE001 -- likewise
        return problem
    return printable("".join(frames)) + problem


def _qualified_name(kind: type) -> str:
    try:
        name, module = f"{kind.__qualname__}", f"{kind.__module__}"
    except BaseException:  # noqa: BLE001 -- a metaclass may do anything
        return "Exception"
    return printable(name if module == "builtins" else f"{module}.{name}")


def _shown_text(value: object) -> str:
    return text_of(value)[:_SHOWN_CHARACTERS]


def _shown(value: Any, depth: int) -> Any:
    """Return *value* as JSON values, piece by piece; cut where it is deep or long."""
    kind = type(value)
    if value is None or kind is bool or (kind is float and math.isfinite(value)):
        return value
    if kind is str:
        return printable(value)
    if kind is int and value.bit_length() < _SHOWN_BITS:
        return value
    try:
        return _shown_parts(value, kind, depth - 1) if depth else "…"
    except BaseException:  # noqa: BLE001 -- as in `write`
        return f"<{_qualified_name(kind)}>"


def _shown_parts(value: Any, kind: type[Any], depth: int) -> Any:
    pairs: Iterable[tuple[Any, Any]]
    if issubclass(kind, list | tuple | set | frozenset):
        return [_shown(inner, depth) for inner in islice(value, _SHOWN_ITEMS)]
    if issubclass(kind, Mapping):
        pairs = value.items()
    elif dataclasses.is_dataclass(kind):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(kind))
    else:
        return _shown_text(value)
    return {_shown_text(name): _shown(inner, depth) for name, inner in islice(pairs, _SHOWN_ITEMS)}
