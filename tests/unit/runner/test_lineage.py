"""What a job enqueues leads back to it, and to what began all of it."""

from __future__ import annotations

import pytest

from runner import lineage

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ENQUEUED_MS = 1_764_028_800_000


def test_trace_that_begins_with_a_job_says_when_and_by_which() -> None:
    """Its id has the time of the job's enqueuing; of another job, or enqueuing, it is another."""
    first = lineage.passed_on(None, "sync:UC1", ENQUEUED_MS)
    found = lineage.trace_id(first)
    assert found == lineage.begun_by("sync:UC1", ENQUEUED_MS)
    assert lineage.began_ms(found) == ENQUEUED_MS
    assert lineage.parent_id(first) == lineage.mark("sync:UC1", ENQUEUED_MS)
    assert found != lineage.begun_by("sync:UC1", ENQUEUED_MS + 1)
    assert found != lineage.begun_by("sync:UC2", ENQUEUED_MS)


def test_trace_stays_and_its_parent_is_the_job_that_enqueues() -> None:
    """So each job of a run is known by the one that led to it."""
    first = lineage.passed_on(None, "a", ENQUEUED_MS)
    second = lineage.passed_on(first, "b", ENQUEUED_MS + 5)
    assert lineage.trace_id(second) == lineage.trace_id(first)
    assert lineage.parent_id(second) == lineage.mark("b", ENQUEUED_MS + 5)


@pytest.mark.parametrize("trace", [f"00-{TRACE}-00f067aa0ba902b7-01", "00-a-b-01", "nonsense"])
def test_trace_that_somebody_records_or_nobody_reads_is_passed_on_as_it_is(trace: str) -> None:
    """A span that nobody recorded would break the trace of those who record it."""
    assert lineage.passed_on(trace, "a", ENQUEUED_MS) == trace
