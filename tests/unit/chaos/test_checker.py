"""The chaos checker accepts what is allowed, and fails the run for each broken promise."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.checker import Verdict, check
from tests.chaos.ledger import Event, Ledger, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEASE_S = 3.0
WITHIN_S = 5.0
ONE, TWO = 101, 102
"""Process ids of two workers."""


class Story:
    """A fabricated ledger, by default with one event per second."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 1000.0

    def add(
        self,
        kind: str,
        job_id: str = "",
        *,
        token: str = "",
        pid: int = 1,
        detail: Any = None,
        after_s: float = 1.0,
    ) -> Story:
        """Add an event, *after_s* seconds after the last."""
        self.now += after_s
        self.events.append(Event(self.now, kind, job_id, token, pid, detail))
        return self

    def enqueued(self, job_id: str) -> Story:
        """The producer enqueues the job."""
        return self.add("sent", job_id).add("acknowledged", job_id)

    def started(self, job_id: str, *, pid: int = ONE, attempt: int = 1, number: int = 1) -> Story:
        """A worker claims the job for the *number*-th time and starts it."""
        self.add("claimed", job_id, token=f"{pid}:{number}", pid=pid)
        return self.add("began", job_id, pid=pid, detail=attempt)

    def ended(self, job_id: str, how: str, *, pid: int = ONE, number: int = 1) -> Story:
        """The attempt ends, and Redis accepts its outcome."""
        if how == "done":
            self.add("ended", job_id, pid=pid)
        elif how == "retry":
            self.add("raised", job_id, pid=pid)
        return self.add("settled", job_id, token=f"{pid}:{number}", pid=pid, detail=how)

    def judged(self, dead: Sequence[str] = ()) -> Verdict:
        """Return the checker's verdict."""
        return check(
            sorted(self.events, key=lambda e: e.at_s), dead, lease_s=LEASE_S, within_s=WITHIN_S
        )


def _good() -> Story:
    """Return the story of one job that runs and ends."""
    return Story().enqueued("good").started("good").ended("good", "done")


def test_run_in_which_all_went_well_passes() -> None:
    """Jobs that ended, were retried, died, were deleted or refused are all accounted for."""
    story = _good()
    story.enqueued("flaky").started("flaky").ended("flaky", "retry")
    story.started("flaky", attempt=2, number=2).ended("flaky", "done", number=2)
    story.enqueued("hopeless").started("hopeless").ended("hopeless", "dead")
    story.enqueued("unwanted").add("deleting", "unwanted")
    story.add("sent", "never arrived")

    verdict = story.judged(dead=["hopeless"])

    assert verdict.problems == []
    assert (verdict.acknowledged, verdict.ended, verdict.dead, verdict.deleted) == (4, 2, 1, 1)
    assert verdict.duplicates == 0


def test_job_that_vanished_fails_the_run() -> None:
    """A job that was acknowledged and neither ended, died nor was deleted is lost."""
    verdict = _good().enqueued("lost").started("lost").judged()

    assert verdict.lost == ["lost"]
    assert verdict.problems == ["1 lost: lost"]


def test_job_that_was_never_claimed_fails_the_run() -> None:
    """A job can be lost even before it starts."""
    assert _good().enqueued("lost").judged().lost == ["lost"]


def test_job_that_redis_calls_done_and_nobody_ended_fails_the_run() -> None:
    """Redis's word is not enough: the coroutine must have finished in some process."""
    story = _good().enqueued("lost").started("lost")
    story.add("settled", "lost", token=f"{ONE}:1", pid=ONE, detail="done")

    assert story.judged().lost == ["lost"]
    assert story.judged(dead=["lost"]).lost == ["lost"]


def test_job_that_failed_and_is_not_dead_fails_the_run() -> None:
    """A job whose last outcome is "dead" must be in the dead set."""
    story = _good().enqueued("lost").started("lost").ended("lost", "dead")

    assert story.judged().lost == ["lost"]
    assert story.judged(dead=["lost"]).problems == []


def test_job_that_the_operator_could_not_delete_must_still_come_to_its_end() -> None:
    """If the operator was told that it is running, it was not deleted and must not vanish."""
    story = _good().enqueued("lost").add("deleting", "lost").add("spared", "lost")

    assert story.judged().lost == ["lost"]
    story.add("deleting", "lost")
    assert story.judged().problems == []


def test_job_that_redis_may_forget_passes_and_is_counted() -> None:
    """A promoted replica may lack what was not copied; with `copies=1` that would be a fault."""
    story = _good()
    story.add("sent", "once").add("acknowledged", "once", detail=0)
    story.add("sent", "copied").add("acknowledged", "copied", detail=1)

    def judged(*forgotten: str) -> Verdict:
        return check(story.events, [], lease_s=LEASE_S, within_s=WITHIN_S, forgotten=set(forgotten))

    assert judged("once", "copied").lost == ["copied"]
    assert judged("once", "copied").forgotten == 1
    assert judged("other").lost == ["copied", "once"]


def test_body_that_came_out_changed_fails_the_run() -> None:
    """A job's arguments arrive as they were sent."""
    assert _good().add("garbled", "good").judged().lost == ["good (not whole)"]


def test_job_that_was_not_acknowledged_may_vanish() -> None:
    """Nothing was promised for such a job."""
    assert _good().add("sent", "x").started("x").judged().problems == []


def test_outcome_of_the_worker_that_took_the_job_over_passes() -> None:
    """The first worker may even finish: delivery is at least once, and its outcome was dropped."""
    story = _good().enqueued("slow").started("slow", pid=ONE).started("slow", pid=TWO)
    story.add("ended", "slow", pid=ONE).ended("slow", "done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.duplicates == 1


def test_attempt_charged_for_a_crash_fails_the_run() -> None:
    """If the worker was killed and the job had not failed, no second attempt may be charged."""
    story = _good().enqueued("charged").started("charged", pid=ONE)
    story.add("killed", detail=ONE)
    story.started("charged", pid=TWO, attempt=2).ended("charged", "done", pid=TWO)

    verdict = story.judged()

    assert verdict.overcharged == ["charged"]
    assert verdict.problems == ["1 charged an attempt for a crash: charged"]


def test_attempt_after_a_failure_and_a_crash_passes() -> None:
    """After one failure and one crash, attempt two runs twice."""
    story = _good().enqueued("x").started("x").ended("x", "retry")
    story.started("x", attempt=2, number=2).add("killed", detail=ONE)
    story.started("x", pid=TWO, attempt=2).ended("x", "done", pid=TWO)

    assert story.judged().problems == []


def test_recovery_that_took_too_long_fails_the_run() -> None:
    """A killed worker's job must be claimed again within a lease and a poll."""
    story = _good().enqueued("late").started("late", pid=ONE).add("killed", detail=ONE)
    story.add("claimed", "late", token=f"{TWO}:1", pid=TWO, after_s=WITHIN_S + 0.1)
    story.ended("late", "done", pid=TWO)

    verdict = story.judged()

    assert verdict.late == ["late after 5.1 s"]
    assert verdict.problems == ["1 recovered late: late after 5.1 s"]
    assert verdict.recoveries == 1
    assert verdict.worst_recovery_s == pytest.approx(WITHIN_S + 0.1)


def test_recovery_in_time_passes_and_is_measured() -> None:
    """The verdict has the longest recovery."""
    story = _good()
    for name, taken_s in (("a", 1.0), ("b", 4.9), ("c", 2.0)):
        story.enqueued(name).started(name, pid=ONE).add("killed", detail=ONE)
        story.add("claimed", name, token=f"{TWO}:1", pid=TWO, after_s=taken_s)
        story.ended(name, "done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.recoveries == 3
    assert verdict.worst_recovery_s == pytest.approx(4.9)


def test_recovery_does_not_count_the_time_in_which_redis_was_away() -> None:
    """Only outages between the kill and the claim are subtracted."""
    story = _good().enqueued("x").started("x", pid=ONE)
    story.add("away", after_s=0.5).add("killed", detail=ONE, after_s=2.0)
    story.add("back", after_s=3.0)
    story.add("claimed", "x", token=f"{TWO}:1", pid=TWO, after_s=4.0)
    story.ended("x", "done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.worst_recovery_s == pytest.approx(4.0)


def test_recovery_does_not_count_the_time_in_which_no_worker_was_up() -> None:
    """Nobody could claim the job; from the first worker on, the clock runs again."""
    story = _good().add("up", pid=ONE).enqueued("x").started("x", pid=ONE)
    story.add("killed", detail=ONE).add("down", detail=ONE)
    story.add("up", pid=TWO, after_s=30.0)
    story.add("claimed", "x", token=f"{TWO}:1", pid=TWO, after_s=3.0)
    story.ended("x", "done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.worst_recovery_s == pytest.approx(1.0 + 3.0)


@pytest.mark.parametrize("alone", [True, False])
def test_recovered_suspect_waits_for_suspects_before_it(alone: bool) -> None:  # noqa: FBT001 -- a case
    """Each runs alone, for as long as it takes; a job that is none waits for nobody."""
    story = _good().enqueued("first").started("first").enqueued("x").started("x")
    story.add("killed", detail=ONE)
    story.add("claimed", "first", token=f"{TWO}:1", pid=TWO, detail="alone", after_s=LEASE_S)
    story.add("began", "first", pid=TWO, detail=1).ended("first", "done", pid=TWO)
    story.now += 30.0
    story.events[-1] = Event(story.now, "settled", "first", f"{TWO}:1", TWO, "done")
    story.add("claimed", "x", token=f"{TWO}:2", pid=TWO, detail="alone" if alone else None)
    story.ended("x", "done", pid=TWO, number=2)

    assert bool(story.judged().late) == (not alone)


def _behind(*, due_after_s: float | None = None, acknowledged: bool = True) -> Story:
    """
    Ten jobs are claimed between the end of a killed worker's lease and the claim of its job.

    due_after_s: an eleventh job becomes due this long after the lease's end, and is claimed first.
    acknowledged: the ten jobs were in the queue in time.
    """
    story = _good().enqueued("late").started("late", pid=ONE)
    killed_s = story.now + 1.0
    for number in range(10):
        story.add("sent", f"job{number}", after_s=0.0)
        if acknowledged:
            story.add("acknowledged", f"job{number}", after_s=0.0)
    story.add("killed", detail=ONE)
    if due_after_s is not None:
        story.add("sent", "later", detail=LEASE_S + due_after_s, after_s=0.0)
        story.add("acknowledged", "later", after_s=0.0)
    story.now = killed_s + LEASE_S
    for number in range(10):
        story.started(f"job{number}", pid=TWO).ended(f"job{number}", "done", pid=TWO)
    if due_after_s is not None:
        story.started("later", pid=TWO).ended("later", "done", pid=TWO)
    # A second after the last claim, which three events of its job have followed.
    story.add("claimed", "late", token=f"{TWO}:2", pid=TWO, after_s=-2.0)
    return story.ended("late", "done", pid=TWO, number=2)


def test_recovered_job_waits_behind_what_was_due_before_its_lease_ended() -> None:
    """If the workers claim without a pause in queue order, the recovery is not late."""
    verdict = _behind().judged()

    assert verdict.problems == []
    # The lease, and from the last job of the backlog to the claim.
    assert verdict.worst_recovery_s == pytest.approx(LEASE_S + 1.0)
    assert verdict.longest_turn_s == pytest.approx(37.0)


def test_recovered_job_that_was_passed_over_fails_the_run() -> None:
    """The recovery is late if a job that was due after the lease's end was claimed first."""
    assert _behind(due_after_s=0.5).judged().late == ["late after 45.0 s"]


def test_job_that_reached_the_queue_late_is_no_backlog() -> None:
    """A job sent in time but not yet in Redis when the lease ended does not count."""
    assert len(_behind(acknowledged=False).judged().late) == 1


def test_backlog_while_redis_was_away_is_not_taken_off_twice() -> None:
    """Seconds in both spans are subtracted only once."""
    story = _behind()
    killed_s = next(event.at_s for event in story.events if event.kind == "killed")
    for kind, at_s in (("away", killed_s + LEASE_S - 1.0), ("back", killed_s + LEASE_S + 2.0)):
        story.events.append(Event(at_s, kind, "", "", 1, None))

    assert story.judged().worst_recovery_s == pytest.approx(LEASE_S)


@pytest.mark.parametrize("settled", [True, False])
def test_recovery_is_not_asked_of_a_worker_that_did_not_hold_the_job(settled: bool) -> None:  # noqa: FBT001 -- a case
    """A job settled or taken over before the kill needs no recovery."""
    story = _good().enqueued("x").started("x", pid=ONE)
    if settled:
        story.ended("x", "retry", pid=ONE)
    else:
        story.started("x", pid=TWO)
    story.add("killed", detail=ONE, after_s=1.0)
    story.add("claimed", "x", token=f"{TWO}:9", pid=TWO, after_s=60.0)
    story.add("began", "x", pid=TWO, detail=2 if settled else 1).ended(
        "x", "done", pid=TWO, number=9
    )

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.recoveries == 0


def test_all_broken_promises_are_reported() -> None:
    """A bad run shows everything that went wrong, with a few ids of each kind."""
    story = _good()
    for number in range(7):
        story.enqueued(f"lost{number}")
    story.enqueued("charged").started("charged", attempt=3).ended("charged", "done")
    story.enqueued("late").started("late").add("killed", detail=ONE)
    story.add("claimed", "late", token=f"{TWO}:1", pid=TWO, after_s=60.0)
    story.ended("late", "done", pid=TWO)

    assert story.judged().problems == [
        "7 lost: lost0, lost1, lost2, lost3, lost4",
        "1 charged an attempt for a crash: charged",
        "1 recovered late: late after 60.0 s",
    ]


def test_ledger_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Events are sorted by time, because many processes write to the file."""
    path = tmp_path / "ledger"
    first, second = Ledger(path), Ledger(path)
    began = time.monotonic()
    for number in range(50):
        (first if number % 2 else second).note("sent", f"job{number}", detail={"n": number})
    first.close()
    second.close()
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")

    events = read(path)

    assert [event.job_id for event in events] == [f"job{number}" for number in range(50)]
    assert events[7].detail == {"n": 7}
    assert began <= events[0].at_s <= events[-1].at_s <= time.monotonic()
    assert json.loads(lines[0])[1:3] == ["sent", "job0"]
