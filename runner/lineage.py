"""
Which jobs a job led to: what it enqueues carries a trace, a W3C traceparent, and so on from there.

If nobody before it began a trace, one begins with the job itself: its id says when that job was
enqueued and which it is, so that all others lead back to it. The parent id says which job enqueued
this one. A sampled trace is passed on unchanged: those who record it know its parents.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_DIED: Final = re.compile(r"~[0-9]+$")
_NOT_SAMPLED: Final = "00"
_TIME_DIGITS: Final = 12
"""Of a trace that began with a job, the first digits: when that was enqueued, Unix ms."""


@lru_cache(maxsize=256)
def trace_id(traceparent: str | None) -> str | None:
    """Return the trace id of a W3C traceparent, None if it is invalid."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    return found[1] if found else None


def parent_id(traceparent: str | None) -> str | None:
    """Return the parent id of a W3C traceparent, None if it is invalid."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    return found[2] if found else None


def mark(job_id: str, enqueued_ms: int) -> str:
    """Return what stands for a job as the parent of those that it enqueues."""
    return _digest(job_id, enqueued_ms)[:16]


def begun_by(job_id: str, enqueued_ms: int) -> str:
    """Return the id of the trace that begins with a job."""
    return f"{enqueued_ms:012x}"[:_TIME_DIGITS] + _digest(job_id, enqueued_ms)[16:36]


def began_ms(trace: str) -> int:
    """Return when the job was enqueued with which a trace began, Unix ms, if one did."""
    return int(trace[:_TIME_DIGITS], 16)


@lru_cache(maxsize=256)
def passed_on(traceparent: str | None, job_id: str, enqueued_ms: int) -> str | None:
    """
    Return the traceparent of what a job enqueues.

    traceparent: its own, or that of its span; None: nobody began a trace.
    """
    if not traceparent:
        return f"00-{begun_by(job_id, enqueued_ms)}-{mark(job_id, enqueued_ms)}-{_NOT_SAMPLED}"
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or found[3] != _NOT_SAMPLED:
        return traceparent
    return f"{traceparent[:36]}{mark(job_id, enqueued_ms)}-{_NOT_SAMPLED}"


def first_id(job_id: str) -> str:
    """Return the id of a job before it died: under one of its caller's choice it is `<id>~<ms>`."""
    return _DIED.sub("", job_id)


def _digest(job_id: str, enqueued_ms: int) -> str:
    text = f"{first_id(job_id)}|{enqueued_ms}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()
