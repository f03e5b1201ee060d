"""What Redis keeps of an ended job: its result, and a history entry for each failure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog
from pydantic_core import to_json

from runner.codec import Envelope, ErrorRecord, Json, encode, encode_shown, line_of, text_of
from runner.worker.claim import worker_of
from runner.worker.held import Ended
from runner.worker.outcome import Aborted, Dead, Done, Expired, Failed

_log = structlog.get_logger("runner.settle")

_MOST_KEPT_BYTES = 4096
"""A result repeats the arguments of a body no larger than this; else it has their digest."""

_NO_ATTEMPT = b'{"t":null,'


ResultWriter = Callable[[Ended, str], bytes]
"""Writes the result of an attempt, given its queue's key; empty if it has none."""


def history_entry(ended: Ended, error: ErrorRecord) -> bytes:
    """Return the history entry of a failed attempt."""
    entry: dict[str, Any] = {
        "attempt": ended.claim.attempts_spent + 1,
        "started_ms": ended.started_ms,
        "failed_ms": ended.finished_ms,
        "error": error.error,
        "message": error.message,
        "traceback": error.traceback,
        "worker": ended.claim.worker,
    }
    if ended.held.lines:
        entry["log"] = list(ended.held.lines)
    return encode_shown(entry)


def result_by_kind(write_plain: ResultWriter, ended: Ended, queue_key: str) -> bytes:
    """Return the result of a `@job`, or what *write_plain* returns for any other."""
    return result_of(ended, queue_key) if ended.held.is_ours else write_plain(ended, queue_key)


def result_of(ended: Ended, queue_key: str) -> bytes:
    """
    Return the result as JSON, arq's fields and ours; empty if there is none.

    Raises:
        CodecError: What the job returned has no JSON form.
    """
    match ended.outcome:
        case Done(result=result):
            returned = result if type(result) is Json else encode(result, "the result")
            written = None if ended.held.lines else result_beside_body(ended, queue_key, returned)
            return written or _result(ended, queue_key, returned, success=True)
        case Dead(error=error) | Aborted(error=error) | Expired(error=error) | Failed(error=error):
            return _result(ended, queue_key, encode(error, "the error"), success=False)
        case _:
            return b""


def result_beside_body(ended: Ended, queue_key: str, returned: bytes) -> bytes | None:
    """
    Return the result of a job that is done, written around its body: twice as fast.

    None if the body is not one that we wrote or is too large to be kept twice.
    """
    claim = ended.claim
    body = claim.body
    if (
        body is None
        or len(body) > _MOST_KEPT_BYTES
        or not (body.startswith(_NO_ATTEMPT) and body.endswith(b"}"))
    ):
        return None
    return b'{"t":%d,%b,"s":true,"r":%b,"st":%d,"ft":%d,"q":%b,"id":%b,"w":%b,"due":%d}' % (
        claim.attempts_spent + 1,
        body[len(_NO_ATTEMPT) : -1],
        returned,
        ended.started_ms,
        ended.finished_ms,
        _json(queue_key),
        to_json(claim.job_id),
        _worker(claim.token),
        claim.due_ms,
    )


@lru_cache(maxsize=256)
def _json(text: str) -> bytes:
    return encode_shown(text)


@lru_cache(maxsize=256)
def _worker(token: str) -> bytes:
    """Return the worker of a claim as JSON: all jobs of one claim share it."""
    return encode_shown(worker_of(token))


def _result(ended: Ended, queue_key: str, returned: bytes, *, success: bool) -> bytes:
    fields = encode_shown(result_fields(ended, queue_key, success=success))
    return b'%b,"r":%b}' % (fields[:-1], returned)


def result_fields(ended: Ended, queue_key: str, *, success: bool) -> dict[str, Any]:
    """Return arq's fields but the result, and ours: worker, due time, origin, and its log lines."""
    claim, envelope = ended.claim, ended.envelope or Envelope("<unreadable>", [], {}, 0)
    fields: dict[str, Any] = {
        "t": claim.attempts_spent + 1,
        "f": envelope.name,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
        "s": success,
        "st": ended.started_ms,
        "ft": ended.finished_ms,
        "q": queue_key,
        "id": claim.job_id,
        "w": claim.worker,
        "due": int(claim.due_ms),
    }
    if envelope.batch_id is not None:
        fields["b"] = envelope.batch_id
    if envelope.trace is not None:
        fields["tp"] = envelope.trace
    if envelope.inputs is not None:
        fields["in"] = envelope.inputs
    if envelope.nonce is not None:
        fields["n"] = envelope.nonce
    if ended.held.lines:
        fields["log"] = list(ended.held.lines)
    body = claim.body
    if body is not None and len(body) > _MOST_KEPT_BYTES:
        fields["a"], fields["k"] = [], {}
        fields["args"] = _digest(body)
    return fields


def too_large(ended: Ended, queue_key: str, result: bytes) -> bytes:
    """Return what is kept in place of a result that is too large: its size, and a digest."""
    name = ended.envelope.name if ended.envelope else "?"
    _log.warning(
        "result is larger than max_result_bytes, and not kept",
        job_id=ended.claim.job_id,
        job=name,
        bytes=len(result),
    )
    fields = result_fields(ended, queue_key, success=True)
    fields["r"] = None
    fields["omitted"] = _digest(result)
    return encode_shown(fields)


def without_form(ended: Ended, queue_key: str, error: Exception) -> bytes:
    """Return what is kept in place of a result that cannot be written: an error, as arq does."""
    record = ErrorRecord("SerializationError", f"unable to serialize result: {line_of(error)}", "")
    name = ended.envelope.name if ended.envelope else "?"
    _log.error(
        "result cannot be written, and is not kept",
        job_id=ended.claim.job_id,
        job=name,
        error=text_of(error),
    )
    return _result(ended, queue_key, encode(record, "the error"), success=False)


def _digest(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
