"""The checker of chaos runs: it passes what is allowed, and each broken promise fails the run."""

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
    """A fabricated ledger, one event a second unless told otherwise."""

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
        """One more event, *after_s* seconds after the last."""
        self.now += after_s
        self.events.append(Event(self.now, kind, job_id, token, pid, detail))
        return self

    def enqueued(self, job_id: str) -> Story:
        """The producer's part."""
        return self.add("sent", job_id).add("acknowledged", job_id)

    def begun(self, job_id: str, *, pid: int = ONE, attempt: int = 1, number: int = 1) -> Story:
        """A worker claims the job for the *number*-th time, and runs it."""
        self.add("claimed", job_id, token=f"{pid}:{number}", pid=pid)
        return self.add("began", job_id, pid=pid, detail=attempt)

    def over(self, job_id: str, how: str, *, pid: int = ONE, number: int = 1) -> Story:
        """The attempt comes to its end, and Redis keeps its outcome."""
        if how == "Done":
            self.add("ended", job_id, pid=pid)
        elif how == "Retrying":
            self.add("raised", job_id, pid=pid)
        return self.add("settled", job_id, token=f"{pid}:{number}", pid=pid, detail=how)

    def judged(self, dead: Sequence[str] = ()) -> Verdict:
        """What the checker says."""
        return check(
            sorted(self.events, key=lambda e: e.at_s), dead, lease_s=LEASE_S, within_s=WITHIN_S
        )


def _good() -> Story:
    """One job that runs and ends, as most do."""
    return Story().enqueued("good").begun("good").over("good", "Done")


def test_run_in_which_all_went_well_passes() -> None:
    """Ended, retried, dead, deleted, refused: all of it is accounted for."""
    story = _good()
    story.enqueued("flaky").begun("flaky").over("flaky", "Retrying")
    story.begun("flaky", attempt=2, number=2).over("flaky", "Done", number=2)
    story.enqueued("hopeless").begun("hopeless").over("hopeless", "Dead")
    story.enqueued("unwanted").add("deleting", "unwanted")
    story.add("sent", "never arrived")

    verdict = story.judged(dead=["hopeless"])

    assert verdict.problems == []
    assert (verdict.acknowledged, verdict.ended, verdict.dead, verdict.deleted) == (4, 2, 1, 1)
    assert verdict.duplicates == 0


def test_job_that_vanished_fails_the_run() -> None:
    """Acknowledged, and neither ended, dead nor deleted: lost."""
    verdict = _good().enqueued("lost").begun("lost").judged()

    assert verdict.lost == ["lost"]
    assert verdict.problems == ["1 lost: lost"]


def test_job_that_was_never_claimed_fails_the_run() -> None:
    """It need not even have started to be lost."""
    assert _good().enqueued("lost").judged().lost == ["lost"]


def test_job_that_redis_calls_done_and_nobody_ended_fails_the_run() -> None:
    """Redis's word is not enough: the coroutine must have come to its end in some process."""
    story = _good().enqueued("lost").begun("lost")
    story.add("settled", "lost", token=f"{ONE}:1", pid=ONE, detail="Done")

    assert story.judged().lost == ["lost"]
    assert story.judged(dead=["lost"]).lost == ["lost"]


def test_job_that_failed_and_is_not_dead_fails_the_run() -> None:
    """Its last outcome says that it died, and the dead set does not have it."""
    story = _good().enqueued("lost").begun("lost").over("lost", "Dead")

    assert story.judged().lost == ["lost"]
    assert story.judged(dead=["lost"]).problems == []


def test_job_that_the_operator_could_not_delete_must_still_come_to_its_end() -> None:
    """Told that it was running, the operator has not deleted it, and it may not vanish."""
    story = _good().enqueued("lost").add("deleting", "lost").add("spared", "lost")

    assert story.judged().lost == ["lost"]
    story.add("deleting", "lost")
    assert story.judged().problems == []


def test_job_that_was_not_acknowledged_may_vanish() -> None:
    """Nobody was promised anything."""
    assert _good().add("sent", "x").begun("x").judged().problems == []


def test_outcome_of_a_worker_that_had_lost_the_job_fails_the_run() -> None:
    """Redis kept the outcome of a claim that was not the last one."""
    story = _good().enqueued("stolen").begun("stolen", pid=ONE)
    story.begun("stolen", pid=TWO).over("stolen", "Done", pid=ONE)

    verdict = story.judged()

    assert verdict.unfenced == ["stolen"]
    assert verdict.problems == ["1 settled by a worker whose lease was gone: stolen"]


def test_outcome_of_the_worker_that_took_the_job_over_passes() -> None:
    """The first may even run to its end: delivery is at least once, and its outcome was dropped."""
    story = _good().enqueued("slow").begun("slow", pid=ONE).begun("slow", pid=TWO)
    story.add("ended", "slow", pid=ONE).over("slow", "Done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.duplicates == 1


def test_claim_that_was_settled_twice_fails_the_run() -> None:
    """Once an outcome is kept the claim is over; what is said later must not be kept."""
    story = _good().enqueued("twice").begun("twice").over("twice", "Retrying")
    story.over("twice", "Released").begun("twice", number=2).over("twice", "Done", number=2)

    assert story.judged().unfenced == ["twice"]


def test_attempt_charged_for_a_crash_fails_the_run() -> None:
    """The worker was killed, the job had not failed, and yet its second attempt is counted."""
    story = _good().enqueued("charged").begun("charged", pid=ONE)
    story.add("killed", detail=ONE)
    story.begun("charged", pid=TWO, attempt=2).over("charged", "Done", pid=TWO)

    verdict = story.judged()

    assert verdict.overcharged == ["charged"]
    assert verdict.problems == ["1 charged an attempt for a crash: charged"]


def test_attempt_after_a_failure_and_a_crash_passes() -> None:
    """One failure, one crash: attempt two, twice."""
    story = _good().enqueued("x").begun("x").over("x", "Retrying")
    story.begun("x", attempt=2, number=2).add("killed", detail=ONE)
    story.begun("x", pid=TWO, attempt=2).over("x", "Done", pid=TWO)

    assert story.judged().problems == []


def test_recovery_that_took_too_long_fails_the_run() -> None:
    """A killed worker's job has to be claimed again within a lease and a poll."""
    story = _good().enqueued("late").begun("late", pid=ONE).add("killed", detail=ONE)
    story.add("claimed", "late", token=f"{TWO}:1", pid=TWO, after_s=WITHIN_S + 0.1)
    story.over("late", "Done", pid=TWO)

    verdict = story.judged()

    assert verdict.late == ["late after 5.1 s"]
    assert verdict.problems == ["1 recovered late: late after 5.1 s"]
    assert verdict.recoveries == 1
    assert verdict.worst_recovery_s == pytest.approx(WITHIN_S + 0.1)


def test_recovery_in_time_passes_and_is_measured() -> None:
    """The longest of them is told."""
    story = _good()
    for name, taken_s in (("a", 1.0), ("b", 4.9), ("c", 2.0)):
        story.enqueued(name).begun(name, pid=ONE).add("killed", detail=ONE)
        story.add("claimed", name, token=f"{TWO}:1", pid=TWO, after_s=taken_s)
        story.over(name, "Done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.recoveries == 3
    assert verdict.worst_recovery_s == pytest.approx(4.9)


def test_recovery_does_not_count_the_time_in_which_redis_was_away() -> None:
    """Only what lies between the kill and the claim is taken off."""
    story = _good().enqueued("x").begun("x", pid=ONE)
    story.add("away", after_s=0.5).add("killed", detail=ONE, after_s=2.0)
    story.add("back", after_s=3.0)
    story.add("claimed", "x", token=f"{TWO}:1", pid=TWO, after_s=4.0)
    story.over("x", "Done", pid=TWO)

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.worst_recovery_s == pytest.approx(4.0)


def _behind(*, due_after_s: float | None = None, acknowledged: bool = True) -> Story:
    """
    Ten jobs are claimed between the end of a killed worker's lease and the claim of its job.

    due_after_s: an eleventh comes due so long after the end of the lease, and is claimed before.
    acknowledged: the ten stood in the queue in time.
    """
    story = _good().enqueued("late").begun("late", pid=ONE)
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
        story.begun(f"job{number}", pid=TWO).over(f"job{number}", "Done", pid=TWO)
    if due_after_s is not None:
        story.begun("later", pid=TWO).over("later", "Done", pid=TWO)
    # A second after the last claim, which three events of its job have followed.
    story.add("claimed", "late", token=f"{TWO}:2", pid=TWO, after_s=-2.0)
    return story.over("late", "Done", pid=TWO, number=2)


def test_recovered_job_waits_behind_what_was_due_before_its_lease_ended() -> None:
    """The workers claimed without a pause, in the order of the queue: that is no late recovery."""
    verdict = _behind().judged()

    assert verdict.problems == []
    # The lease, and from the last job of the backlog to the claim.
    assert verdict.worst_recovery_s == pytest.approx(LEASE_S + 1.0)
    assert verdict.longest_turn_s == pytest.approx(37.0)


def test_recovered_job_that_was_passed_over_fails_the_run() -> None:
    """A job that came due after the end of the lease was claimed first."""
    assert _behind(due_after_s=0.5).judged().late == ["late after 45.0 s"]


def test_job_that_reached_the_queue_late_is_no_backlog() -> None:
    """Its producer had sent it in time, but Redis did not have it when the lease ended."""
    assert len(_behind(acknowledged=False).judged().late) == 1


def test_backlog_while_redis_was_away_is_not_taken_off_twice() -> None:
    """Both spans cover the same seconds."""
    story = _behind()
    killed_s = next(event.at_s for event in story.events if event.kind == "killed")
    for kind, at_s in (("away", killed_s + LEASE_S - 1.0), ("back", killed_s + LEASE_S + 2.0)):
        story.events.append(Event(at_s, kind, "", "", 1, None))

    assert story.judged().worst_recovery_s == pytest.approx(LEASE_S)


@pytest.mark.parametrize("settled", [True, False])
def test_recovery_is_not_asked_of_a_worker_that_did_not_hold_the_job(settled: bool) -> None:  # noqa: FBT001 -- a case
    """It had settled the job, or another one had taken it over before the kill."""
    story = _good().enqueued("x").begun("x", pid=ONE)
    if settled:
        story.over("x", "Retrying", pid=ONE)
    else:
        story.begun("x", pid=TWO)
    story.add("killed", detail=ONE, after_s=1.0)
    story.add("claimed", "x", token=f"{TWO}:9", pid=TWO, after_s=60.0)
    story.add("began", "x", pid=TWO, detail=2 if settled else 1).over(
        "x", "Done", pid=TWO, number=9
    )

    verdict = story.judged()

    assert verdict.problems == []
    assert verdict.recoveries == 0


def test_each_broken_promise_is_told_beside_the_others() -> None:
    """A bad run shows all that was wrong with it, with a few names of each kind."""
    story = _good()
    for number in range(7):
        story.enqueued(f"lost{number}")
    story.enqueued("stolen").begun("stolen").begun("stolen", pid=TWO).over("stolen", "Done")
    story.enqueued("charged").begun("charged", attempt=3).over("charged", "Done")
    story.enqueued("late").begun("late").add("killed", detail=ONE)
    story.add("claimed", "late", token=f"{TWO}:1", pid=TWO, after_s=60.0)
    story.over("late", "Done", pid=TWO)

    assert story.judged().problems == [
        "7 lost: lost0, lost1, lost2, lost3, lost4",
        "1 settled by a worker whose lease was gone: stolen",
        "1 charged an attempt for a crash: charged",
        "1 recovered late: late after 60.0 s",
    ]


def test_ledger_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    """Many processes write, each with its own clock reading: the file's order means nothing."""
    path = tmp_path / "ledger"
    first, second = Ledger(path), Ledger(path)
    began = time.time()
    for number in range(50):
        (first if number % 2 else second).note("sent", f"job{number}", detail={"n": number})
    first.close()
    second.close()
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines)) + "\n")

    events = read(path)

    assert [event.job_id for event in events] == [f"job{number}" for number in range(50)]
    assert events[7].detail == {"n": 7}
    assert began <= events[0].at_s <= events[-1].at_s <= time.time()
    assert json.loads(lines[0])[1:3] == ["sent", "job0"]
