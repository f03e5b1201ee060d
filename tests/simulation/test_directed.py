"""
Histories in which a fault was found, or that show one: the smallest schedule of each.

Each keeps all promises now. Where the fault can be planted again, it is found again: so the history
still shows it.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import pytest

from tests.simulation.mutations import planted
from tests.simulation.play import Verdict, play
from tests.simulation.schedule import Act, Fault, FaultKind, JobPlan, Schedule


class History(NamedTuple):
    """
    A schedule, what has to be met in it, and the fault that it shows when it is planted.

    rule: what the judge says then.
    """

    schedule: Schedule
    met: str
    plant: str | None = None
    rule: str = ""


def _history(
    *jobs: JobPlan,
    faults: tuple[Fault, ...] = (),
    acts: tuple[Act, ...] = (),
    seed: int = 0,
    workers: int = 1,
    slots: int = 1,
    stock: bool = False,
    trouble_s: float = 15.0,
) -> Schedule:
    return Schedule(
        seed=seed,
        workers=workers,
        slots=slots,
        stock_workers=int(stock),
        jobs=jobs,
        faults=faults,
        acts=acts,
        redis_version=(7, 0, 15),
        trouble_s=trouble_s,
    )


def _with_stock_between(kind: FaultKind) -> Schedule:
    """Kill a worker, and let stock arq take the job before anybody puts it back."""
    return _history(
        JobPlan(number=0, at_s=1.5, steps=("kill",), takes_s=0.5),
        faults=(
            Fault(at_s=0.1, kind=kind, who=0, for_s=12.0, what="start"),
            Fault(at_s=5.5, kind="freeze", who=0, for_s=5.0),
        ),
        stock=True,
    )


def _loads_the_script(*at_s: float) -> tuple[JobPlan, ...]:
    """Return jobs of which each is enqueued first: a fault of a call needs one that runs."""
    return tuple(JobPlan(90 + n, one, ("ok",), 0.0) for n, one in enumerate(at_s))


POISON = JobPlan(number=0, at_s=1.0, steps=("kill",), takes_s=0.1)

HISTORIES = {
    "an old outcome takes a newer claim": History(
        # The answer to the first outcome stays out past the lease of the second claim.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("fail", "ok"), takes_s=0.0),
            JobPlan(number=1, at_s=0.1, steps=("ok",), takes_s=0.0),
            faults=(Fault(at_s=0.5, kind="silence", who=0, for_s=12.0, what="settle"),),
            trouble_s=5.0,
        ),
        met="silence settle",
        plant="old-outcome-takes-a-newer-claim",
    ),
    "poison is forgotten": History(
        _history(POISON, JobPlan(number=1, at_s=1.0, steps=("ok",), takes_s=0.5), workers=2),
        met="a lapsed job put back",
        plant="crash-not-told",
        rule="wrong crashes",
    ),
    "a renewal arrives when its worker is dead": History(
        # It shows that the worker lived when it asked, which proves nothing of what came later.
        _history(
            JobPlan(number=9, at_s=0.1, steps=("ok",), takes_s=3.0),  # its renewal loads the script
            JobPlan(number=0, at_s=3.8, steps=("kill",), takes_s=0.5),
            faults=(Fault(at_s=2.5, kind="late_question", who=0, for_s=8.0, what="renew"),),
        ),
        met="late_question renew",
        plant="late-question-takes-a-crash-back",
        rule="poison killed too often",
    ),
    "stock arq ends a retried job, and its id is used again": History(
        # It leaves the mark of a retry, which is not that of the next job under this id.
        _history(
            JobPlan(number=9, at_s=0.1, steps=("ok",), takes_s=0.0),
            JobPlan(number=0, at_s=1.0, steps=("fail", "ok"), takes_s=0.0, chosen=True),
            faults=(
                Fault(at_s=0.5, kind="silence", who=0, for_s=12.0, what="enqueue"),
                Fault(at_s=1.5, kind="freeze", who=0, for_s=8.0),
            ),
            stock=True,
        ),
        met="an id used again",
        plant="retrying-kept-for-another-job",
        rule="left something behind",
    ),
    "a suspect is given back before its start": History(
        # Its claim is answered too late for it to start; then nothing is left to wait for.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("kill", "ok"), takes_s=0.1),
            JobPlan(number=1, at_s=4.5, steps=("ok",), takes_s=0.0),
            faults=(Fault(at_s=4.0, kind="slow", who=0, for_s=8.5),),
            trouble_s=20.0,
        ),
        met="slow",
        plant="waits-for-a-suspect-given-back",
        rule="not all jobs came to an end",
    ),
    "a suspect is done, and Redis forgets it": History(
        # Its lapsed claim is its own worker's, which must not claim it beside another job.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("kill", "ok"), takes_s=0.5),
            JobPlan(number=1, at_s=10.0, steps=("ok",), takes_s=7.0),
            faults=(Fault(at_s=7.2, kind="lose_second", who=0, for_s=1.0),),
            slots=2,
        ),
        met="lose_second",
        plant="own-suspect-claimed-among-others",
        rule="a suspect did not run alone",
    ),
    "a start is lost after SCRIPT FLUSH": History(
        _history(
            POISON,
            faults=tuple(
                Fault(at_s=at_s, kind="flush_scripts", who=0, for_s=1.0)
                for at_s in (0.9, 6.0, 10.0, 14.0, 18.0, 22.0)
            ),
            trouble_s=25.0,
        ),
        met="flush_scripts",
        plant="start-sent-by-name",
        rule="not all jobs came to an end",
    ),
    "a start goes over a connection that is dead": History(
        _history(
            JobPlan(number=0, at_s=0.184, steps=("fail", "ok"), takes_s=0.01, delay_s=10.0),
            JobPlan(number=1, at_s=4.803, steps=("kill",), takes_s=7.0),
            faults=(Fault(at_s=9.74, kind="cut_silently", who=0, for_s=14.296),),
            workers=2,
            trouble_s=40.0,
        ),
        met="a lapsed job put back",
        plant="start-not-told",
    ),
    "a lease taken just before the clock was set back": History(
        _history(
            JobPlan(number=0, at_s=10.3, steps=("kill", "ok"), takes_s=0.0, delay_s=10.0),
            faults=(Fault(at_s=24.904, kind="clock", who=0, for_s=1.0, what="-60"),),
            workers=3,
            trouble_s=40.0,
        ),
        met="clock",
        plant="lease-outlives-the-jump",
    ),
    "a lost job is due in the future": History(
        _history(
            JobPlan(number=6, at_s=3.074, steps=("kill",), takes_s=7.0),
            faults=(Fault(at_s=12.165, kind="clock", who=0, for_s=1.0, what="-60"),),
            seed=280,
        ),
        met="clock",
        plant="stands-in-the-future",
        rule="lost its place",
    ),
    "a queue that went on is paused again by a lost second": History(
        _history(
            JobPlan(number=0, at_s=9.845, steps=("wait", "ok"), takes_s=0.0),
            faults=(Fault(at_s=6.252, kind="lose_second", who=0, for_s=1.825),),
            acts=(Act(at_s=5.168, verb="pause", number=0),),
        ),
        met="lose_second",
    ),
    "an answer is read after Redis has lost what it told of": History(
        # The client hears nothing of job 0 until the connection is cut. It freezes as job 1 is
        # there, and reads later that it is: only that is excused by the second that was lost.
        _history(
            *_loads_the_script(0.1, 13.0),
            JobPlan(number=0, at_s=1.3, steps=("ok",), takes_s=0.0),
            JobPlan(number=1, at_s=14.4, steps=("ok",), takes_s=0.0),
            faults=(
                Fault(at_s=1.0, kind="lose_second", who=0, for_s=9.0),
                Fault(at_s=1.1, kind="silence", who=0, for_s=1.0, what="enqueue"),
                Fault(at_s=14.0, kind="lose_second", who=0, for_s=1.0),
                Fault(at_s=14.1, kind="freeze_sender", who=0, for_s=6.0, what="enqueue"),
            ),
        ),
        met="acknowledged, and lost with the last second",
        plant="error-taken-for-a-yes",
        rule="an acknowledged job was lost",
    ),
    "a call is made again when its job is dead": History(
        # Its answer does not come for ten seconds; a dead job has left its id for others.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("bury",), takes_s=0.0, chosen=True),
            *_loads_the_script(0.1),
            faults=(Fault(at_s=0.5, kind="silence", who=0, for_s=1.0, what="enqueue"),),
        ),
        met="silence enqueue",
        plant="ended-job-not-known",
        rule="claimed after its end",
    ),
    "stock arq is slow to take a job that is deleted": History(
        # It has looked at job 1 when the operator deletes it, and marks it afterwards.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("ok",), takes_s=7.0),
            JobPlan(number=1, at_s=1.5, steps=("ok",), takes_s=0.0, chosen=True),
            faults=(Fault(at_s=0.5, kind="slow", who=1, for_s=6.0),),
            acts=(Act(at_s=7.0, verb="delete", number=1),),
            stock=True,
        ),
        met="slow",
        plant="stock-arq-reaches-what-left",
        rule="stock arq took a job that had left the queue",
    ),
    "stock arq is slow to take a job that is lost with its worker": History(
        # Nobody recovers job 0 before job 1 frees a slot; it waits for job 2 to end, to run alone.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("kill", "ok"), takes_s=0.5),
            JobPlan(number=1, at_s=3.4, steps=("ok",), takes_s=7.0),
            JobPlan(number=2, at_s=4.5, steps=("ok",), takes_s=7.0),
            faults=(Fault(at_s=0.5, kind="slow", who=1, for_s=3.0),),
            slots=2,
            stock=True,
        ),
        met="a lapsed job put back",
        plant="stock-arq-reaches-what-left",
        rule="stock arq took a job that had left the queue",
    ),
    "stock arq is slow to take a job that ends late": History(
        # Its worker was frozen for longer than the lease, and settles before it renews.
        _history(
            JobPlan(number=0, at_s=0.8, steps=("ok",), takes_s=2.0),
            faults=(
                Fault(at_s=0.5, kind="slow", who=1, for_s=1.5),
                Fault(at_s=1.0, kind="freeze", who=0, for_s=7.2),
                Fault(at_s=7.0, kind="lose_question", who=0, for_s=1.0, what="renew"),
            ),
            acts=(Act(at_s=0.9, verb="stop", number=0),),
            stock=True,
        ),
        met="lose_question renew",
        plant="stock-arq-reaches-what-left",
        rule="stock arq took a job that had left the queue",
    ),
    "a claim reaches Redis when its worker has given it up": History(
        # By then the worker runs one of the two jobs, and the other one is due.
        _history(
            JobPlan(number=0, at_s=1.0, steps=("ok",), takes_s=7.0),
            JobPlan(number=1, at_s=1.0, steps=("ok",), takes_s=0.0),
            faults=(Fault(at_s=0.5, kind="late_question", who=0, for_s=14.0, what="claim"),),
        ),
        met="late_question claim",
        plant="revoked-claim-taken",
        rule="a claim that was given up took jobs",
    ),
    "a claim without an answer is undone though stock arq runs its job": History(
        _history(
            JobPlan(number=4, at_s=2.505, steps=("fail", "wait", "ok"), takes_s=0.01, bulk=2),
            faults=(Fault(at_s=0.313, kind="silence", who=0, for_s=8.242, what="claim"),),
            seed=252,
            stock=True,
        ),
        met="taken by stock arq",
        plant="unanswered-though-stock-has-it",
        rule="claimed after its end",
    ),
    "a worker is stopped while Redis is away": History(
        _history(
            JobPlan(number=0, at_s=1.0, steps=("ok",), takes_s=0.1),
            faults=(
                Fault(at_s=25.0, kind="restart", who=0, for_s=9.0),
                Fault(at_s=26.0, kind="terminate", who=0, for_s=2.0),
            ),
            trouble_s=35.0,
        ),
        met="terminate",
        plant="stopped-by-an-error-of-the-poll",
        rule="a process ended by an error",
    ),
    "a worker that let its jobs end for a suspect is stopped while Redis is away": History(
        _history(
            JobPlan(number=1, at_s=5.115, steps=("ok",), takes_s=7.0),
            JobPlan(number=3, at_s=4.077, steps=("kill", "ok"), takes_s=0.1, bulk=1),
            faults=(
                Fault(at_s=11.366, kind="restart", who=0, for_s=3.32),
                Fault(at_s=11.636, kind="terminate", who=0, for_s=0.255),
            ),
            seed=323606,
            slots=2,
        ),
        met="terminate",
        plant="stopped-by-an-error-of-a-stage",
        rule="a process ended by an error",
    ),
    "a worker dies within its poll, and the clock that was ahead goes back": History(
        _history(
            JobPlan(number=7, at_s=2.998, steps=("ok",), takes_s=7.0, delay_s=0.5),
            faults=(
                Fault(at_s=12.873, kind="clock", who=0, for_s=1.768, what="-3600"),
                Fault(at_s=8.296, kind="clock", who=0, for_s=19.136, what="3600"),
                Fault(at_s=6.678, kind="crash_soon", who=0, for_s=2.713),
            ),
            seed=330058,
            slots=3,
        ),
        met="clock",
        plant="poll-noted-once",
        rule="not all jobs came to an end",
    ),
    "a start arrives while stock arq has the job": History(
        _with_stock_between("late_question"),
        met="late_question start",
        plant="start-of-a-lapsed-claim-not-heard",
        rule="wrong crashes",
    ),
    "a start is lost, and stock arq takes the job": History(
        _with_stock_between("lose_question"),
        met="lose_question start",
        plant="unstarted-counts-a-crash",
        rule="wrong crashes",
    ),
    "stock arq takes a job that a stopping worker offers": History(
        _history(
            JobPlan(number=0, at_s=4.0, steps=("ok",), takes_s=7.0),
            faults=(Fault(at_s=1.0, kind="silence", who=0, for_s=5.0, what="settle"),),
            acts=(Act(at_s=6.0, verb="stop", number=0),),
            stock=True,
        ),
        met="taken by stock arq",
        plant="settles-over-stock-arq",
        rule="settled without holding it",
    ),
    "a job is given back that stock arq has run and put back": History(
        _history(
            JobPlan(number=1, at_s=11.372, steps=("fail", "fail", "wait", "ok"), takes_s=7.0),
            JobPlan(
                number=3,
                at_s=1.681,
                steps=("wait", "fail", "ok"),
                takes_s=0.5,
                delay_s=10.0,
                bulk=2,
            ),
            JobPlan(number=7, at_s=6.181, steps=("fail", "ok"), takes_s=7.0),
            faults=(
                Fault(at_s=11.27, kind="freeze_sender", who=0, for_s=7.927, what="claim"),
                Fault(at_s=10.643, kind="crash_sender", who=1, for_s=13.143, what="claim"),
            ),
            seed=315,
            workers=2,
            slots=2,
            stock=True,
        ),
        met="taken by stock arq",
        plant="unclaims-what-stock-arq-put-back",
        rule="settled without holding it",
    ),
}


def _play(history: History, plant: str | None) -> Verdict:
    with planted(plant) if plant else nullcontext():
        return play(history.schedule)


@pytest.mark.parametrize("name", HISTORIES)
def test_history_keeps_every_promise(name: str) -> None:
    """What was found in it is mended, and it still comes to pass."""
    verdict = _play(HISTORIES[name], None)

    assert verdict.faults == ()
    assert verdict.seen[HISTORIES[name].met]


@pytest.mark.parametrize("name", [name for name, one in HISTORIES.items() if one.plant])
def test_history_shows_its_fault_when_that_is_planted_again(name: str) -> None:
    """Else it would prove nothing."""
    history = HISTORIES[name]

    faults = _play(history, history.plant).faults

    assert faults
    assert any(fault.startswith(history.rule) for fault in faults)
