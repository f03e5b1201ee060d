"""Counting attempts in the worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from runner.broker import keys
from runner.broker.redis_clock import RedisClock
from runner.codec import ErrorRecord
from runner.worker.counts import BOUNDS_MS, FIELDS, WAIT_BOUNDS_MS, JobCounts
from runner.worker.outcome import Aborted, Dead, Done, Failed, Outcome, Released, Retrying

if TYPE_CHECKING:
    from runner.worker.held import Ended

_ERROR = ErrorRecord("ValueError", "no", "")


def _ended(outcome: Outcome, *, ms: int = 5, name: str | None = "sync") -> Ended:
    envelope = None if name is None else SimpleNamespace(name=name)
    claim = SimpleNamespace(due_ms=990.5)
    return cast(
        "Ended",
        SimpleNamespace(
            outcome=outcome, envelope=envelope, claim=claim, started_ms=1000, finished_ms=1000 + ms
        ),
    )


def _added(batch: list[Any]) -> dict[str, dict[str, int]]:
    """Return what a batch adds, by queue and job."""
    added: dict[str, dict[str, int]] = {}
    at = 3
    while at < len(batch):
        pairs = batch[at + 8 : at + 8 + 2 * batch[at + 7]]
        added[batch[at]] = dict(zip(pairs[::2], pairs[1::2], strict=True))
        at += 8 + len(pairs)
    return added


def test_count_adds_up_endings_durations_and_waits() -> None:
    """Done and failed attempts are counted apart; both are timed."""
    counts = JobCounts(RedisClock())
    counts.count(_ended(Done(1), ms=5))
    for outcome in (Retrying(1, _ERROR), Dead(_ERROR), Failed(_ERROR)):
        counts.count(_ended(outcome, ms=100))

    added = _added(counts.batch("default", keys.ARQ))["default|sync"]

    assert (added["n"], added["f"], added["ms"], added["w"]) == (1, 3, 305, 40)
    buckets = {int(name): count for name, count in added.items() if name.isdigit()}
    assert buckets == {BOUNDS_MS.index(6): 1, BOUNDS_MS.index(128): 3}


@pytest.mark.parametrize("outcome", [Released(), Aborted(_ERROR)])
def test_count_leaves_out_released_and_aborted_jobs(outcome: Outcome) -> None:
    """They neither succeeded nor failed."""
    counts = JobCounts(RedisClock())
    counts.count(_ended(outcome))
    counts.count(_ended(Dead(_ERROR), name=None))

    assert counts.batch("default", keys.ARQ) == []


def test_batch_is_sent_again_unchanged_until_it_is_answered() -> None:
    """New counts wait for the next one: none is lost, and none is sent twice."""
    counts = JobCounts(RedisClock())
    counts.count(_ended(Done(1)))
    first = list(counts.batch("default", keys.ARQ))
    counts.count(_ended(Done(2)))
    counts.count(_ended(Done(3)))

    assert counts.batch("default", keys.ARQ) == first
    counts.sent()
    second = counts.batch("default", keys.ARQ)
    assert second[0] == first[0] + 1
    assert _added(second)["default|sync"]["n"] == 2
    counts.sent()
    assert counts.batch("default", keys.ARQ) == []


def test_buckets_cover_every_duration() -> None:
    """They grow, and the last one is open."""
    assert list(BOUNDS_MS) == sorted(set(BOUNDS_MS))
    longest = str(len(BOUNDS_MS))
    assert longest in FIELDS
    counts = JobCounts(RedisClock())
    counts.count(_ended(Done(1), ms=10**9))
    assert _added(counts.batch("default", keys.ARQ))["default|sync"][longest] == 1


@pytest.mark.parametrize(
    ("waited_ms", "place"), [(-5, 0), (0, 0), (1, 1), (9, 4), (2**22, 23), (2**31, 23)]
)
def test_wait_is_counted_by_its_doubling(waited_ms: int, place: int) -> None:
    """A bucket ends where the wait has doubled; the last is open; who was early did not wait."""
    counts = JobCounts(RedisClock())
    ended = _ended(Done(1))
    ended.claim.due_ms = 1000 - waited_ms
    counts.count(ended)
    added = _added(counts.batch("default", keys.ARQ))["default|sync"]
    assert {name for name in added if name[0] == "w" and name[1:]} == {f"w{place}"}
    assert not place or waited_ms >= WAIT_BOUNDS_MS[place - 1]
