"""
What a value in Redis has to be, by its key: the rules of `faults`.

Keys are named without the base of their application.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from runner.broker import keys
from runner.broker.reading import Cut, Entries, Reader, Unreadable, count_of
from runner.checks import LATEST_MS
from runner.operations.sessions import read_record
from runner.operations.verbs import PROCESS_VERBS
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY_MS = 86_400_000
_YEAR_MS = 366 * DAY_MS


class Scores(NamedTuple):
    """Scores that are wrong, from *low* to *high*; to: what they become; None: they are removed."""

    low: str
    high: str
    does: str
    to: int | None


def wrong_scores(key: str, suffix: str | None, now_ms: int) -> Sequence[Scores]:
    """Return which scores of a sorted set are wrong; suffix: of a queue's key."""
    ahead = f"({now_ms + DAY_MS}"
    if key in {keys.BARE.abort, keys.BARE.metrics} or suffix in _REGISTERS:
        return _beyond("(0", ahead, "take it out", None)
    if suffix == keys.DEAD_SUFFIX:
        return _beyond("(0", ahead, "say that it died now", now_ms)
    if key == keys.BARE.sessions:
        year = now_ms + _YEAR_MS
        return _beyond("(0", f"({year}", "list it for another year", year)
    if suffix is None:
        return ()
    return (
        Scores("-inf", "(0", "let it be due now", now_ms),
        Scores(f"({LATEST_MS}", "+inf", "let it be due at the end of the year 9999", LATEST_MS),
    )


_REGISTERS = {keys.HOLDERS_SUFFIX, keys.WORKERS_SUFFIX}


def _beyond(first: str, last: str, does: str, to: int | None) -> Sequence[Scores]:
    return Scores("-inf", first, does, to), Scores(last, "+inf", does, to)


def has_rule(key: str) -> bool:
    """Whether there is a rule for the string at *key*. Bodies and results are of any serializer."""
    return key.startswith(tuple(_STRINGS))


def string_problem(key: str, value: bytes | Cut | Unreadable, now_ms: int) -> str:
    """Return why a string is none of ours; empty if it is."""
    if isinstance(value, Unreadable):
        return value.why
    if isinstance(value, Cut):
        return f"has {counted(value.length, 'byte')}, too many to read"
    for prefix, (what, holds) in _STRINGS.items():
        if key.startswith(prefix):
            return "" if holds(value, now_ms) else f"is no {what}"
    return ""


def _is_object(value: bytes, _: int) -> bool:
    reader = Reader()
    reader.fields("", value)
    return not reader.unreadable


def _is_count(value: bytes, _: int) -> bool:
    return count_of(value) is not None


def _is_past(value: bytes, now_ms: int) -> bool:
    ms = count_of(value)
    return ms is not None and ms <= now_ms + DAY_MS


_STRINGS: dict[str, tuple[str, Callable[[bytes, int], bool]]] = {
    keys.BARE.retry_prefix: ("number of attempts", _is_count),
    keys.BARE.worker_prefix: ("heartbeat", _is_object),
    keys.BARE.session_prefix: ("session", lambda value, _: read_record(value) is not None),
    keys.BARE.order_prefix: ("order", lambda value, _: value.decode("latin-1") in PROCESS_VERBS),
    keys.BARE.poll_prefix: ("time of a poll", _is_past),
    keys.BARE.metrics_guard_prefix: ("number of a batch of counts", _is_count),
    keys.BARE.fence: ("fence", _is_count),
}


def entries_problem(key: str, history: object) -> str:
    """Return why a history is none of ours; empty if it is."""
    reader = Reader()
    if isinstance(history, Entries):
        for entry in history.last:
            reader.fields(key, entry)
    return "has an entry that cannot be read" if reader.unreadable else ""


def has_form(key: str) -> bool:
    """Whether the fields of the hash at *key* have to have a form."""
    return key.startswith(_OF_COUNTS) or (
        key.startswith(keys.BARE.queue_prefix) and key.endswith(tuple(_FORMS))
    )


def is_of_form(key: str, field: bytes, value: bytes) -> bool:
    """Whether a field of a hash has the form that its key asks for."""
    if key == keys.BARE.ticks and field.endswith(b"|job"):
        return True
    if key.startswith(keys.BARE.bulk_prefix) and field in {b"action", b"selection"}:
        return True
    if key.startswith(keys.BARE.batch_prefix) and key.endswith(":plan"):
        return not field.endswith(b"_ms") or count_of(value) is not None
    if key.startswith(_OF_COUNTS) and not key.endswith(_OF_FLOW):
        return _COUNT.fullmatch(value) is not None
    if not key.startswith(keys.BARE.queue_prefix):
        return True
    forms = (form for suffix, form in _FORMS.items() if key.endswith(suffix))
    return all(form.fullmatch(value) for form in forms)


_OF_FLOW = (":nodes", ":state", ":letters", ":results")
_OF_COUNTS = (
    keys.BARE.ticks,
    keys.BARE.polls,
    keys.BARE.releases,
    keys.BARE.metrics_total,
    keys.BARE.metrics_minutes_prefix,
    keys.BARE.metrics_ten_minutes_prefix,
    keys.BARE.batch_prefix,
    keys.BARE.bulk_prefix,
)
_COUNT = re.compile(rb"-?[0-9]{1,16}")
_FORMS = {
    keys.RUNNING_SUFFIX: re.compile(rb"[^|]+\|[0-9.e+]+(\|.*)?", re.DOTALL),
    keys.LATE_SUFFIX: re.compile(rb"[^|]+\|[0-9.e+]+"),
    keys.CRASHES_SUFFIX: re.compile(rb"[0-9]+=\S+( [0-9]+=\S+)*"),
}
