"""
What a worker holds: each job from its start until Redis has answered for its outcome.

Here a slot is taken and falls free, leases are extended, and a job learns that somebody asked it
to stop, or that another worker has it now.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from runner.broker import keys
from runner.worker.attempt import Held
from runner.worker.execute import Stop
from runner.worker.outcome import Done, Outcome, Released, Retrying
from runner.worker.settle import Ended

if TYPE_CHECKING:
    from runner.on_arq.worker import Worker
    from runner.worker.claim import Claim

_log = structlog.get_logger("runner.worker")


class Holding:
    """The jobs that one worker holds."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.held: set[Held] = set()
        self.busy = 0
        """Slots that are taken: jobs whose coroutine has not ended, or was left behind."""
        self.ended = 0
        """Slots that have fallen free so far."""
        self.changed = asyncio.Event()
        """Set when a slot falls free, an outcome is settled, or the worker is to stop."""
        self.afterwards: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ one job

    def start(self, claim: Claim) -> None:
        """Start the job of *claim* in a task of its own; it takes a slot."""
        held = Held(claim, time.time_ns() // 1_000_000)
        self.held.add(held)
        self.busy += 1
        worker = self._worker
        held.task = worker.tasks[claim.job_id] = worker.loop.create_task(self._run(held))

    def running_now(self) -> list[Held]:
        """The jobs that run here."""
        return [held for held in self.held if held.is_running]

    def goes_on_under(self, claim: Claim) -> bool:
        """Its lease lapsed while the job ran here, or its outcome was on the way to Redis."""
        for held in self.held:
            if held.claim.key == claim.key and held.why_stopped is not Stop.LOST:
                held.claim.token = claim.token
                return True
        return False

    async def _run(self, held: Held) -> None:
        """One job, from its start to its outcome."""
        try:
            outcome = await self._worker.attempts.run(held)
        finally:
            self._free_slot_of(held)
            # The task's context knows it, too: such a ring would be left to the garbage collector.
            held.task = None
        self._hand_in(held, outcome)

    def _free_slot_of(self, held: Held) -> None:
        if held.is_left_behind:
            return
        self.busy -= 1
        self.ended += 1
        self.changed.set()
        tasks = self._worker.tasks
        if tasks.get(held.claim.job_id) is held.task:
            del tasks[held.claim.job_id]

    def leave_behind(self, held: Held, outcome: Outcome | None) -> None:
        """A job that goes on although it was cancelled: this is its end, whatever it still does."""
        name = held.envelope.name if held.envelope else "?"
        _log.error(
            "job ignored its cancellation, and is left behind",
            job_id=held.claim.job_id,
            job=name,
        )
        self._free_slot_of(held)
        self._hand_in(held, outcome)
        held.is_left_behind = True

    def _hand_in(self, held: Held, outcome: Outcome | None) -> None:
        """To be settled; without an outcome the job is another worker's, and nothing is written."""
        if held not in self.held or held.is_left_behind:
            return
        if outcome is None:
            self.held.discard(held)
            self._start_afterwards(held)
            return
        policy = held.policy
        self._worker.settler.put(
            Ended(
                held.claim,
                held.envelope,
                outcome,
                policy.keep_result_s if policy else self._worker.keeps_result_s(),
                held.started_ms,
                time.time_ns() // 1_000_000,
                held,
            )
        )

    def on_settled(self, ended: Ended, kept: bool) -> None:  # noqa: FBT001 -- a callback's answer
        """Redis has answered for *ended*; not *kept*: another worker holds the job."""
        self.held.discard(ended.held)
        self.changed.set()
        if ended.held.afterwards is not None:
            self._start_afterwards(ended.held)
        if not kept:
            _log.warning(
                "outcome dropped: another worker holds the job now", job_id=ended.claim.job_id
            )
            return
        worker = self._worker
        worker.tally.count(ended)
        match ended.outcome:
            case Done():
                worker.jobs_complete += 1
            case Retrying(delay_s=delay_s) | Released(delay_s=delay_s):
                worker.jobs_retried += 1
                worker.taking.call_within(delay_s)
            case _:
                worker.jobs_failed += 1

    def _start_afterwards(self, held: Held) -> None:
        """arq's `after_job_end`, which is waited for when the worker stops."""
        if held.afterwards is not None:
            task = self._worker.loop.create_task(held.afterwards())
            self.afterwards.add(task)
            task.add_done_callback(self.afterwards.discard)

    def stop(self, held: Held, why: Stop) -> bool:
        """Cancel the job, unless it is over or being cancelled; whether that was needed."""
        if held.task is None or held.task.done() or held.why_stopped is not None:
            return False
        held.why_stopped = why
        held.task.cancel()
        return True

    # ------------------------------------------------------------------ leases

    async def keep_leases(self) -> None:
        """Extend the leases of all that is held, well before they end, until cancelled."""
        options = self._worker.options
        pause_s = min(options.heartbeat_s, options.lease_s / 3)
        while True:
            await asyncio.sleep(pause_s)
            self._leave_stubborn_behind()
            await self.renew()

    def _leave_stubborn_behind(self) -> None:
        """A slot is not lost to a job that swallows its timeout, its abort or its lost claim."""
        worker = self._worker
        now = worker.loop.time()
        for held in list(self.held):
            if not held.is_running or held.task is None or not held.task.cancelling():
                held.cancelled_at = None
            elif held.cancelled_at is None:
                held.cancelled_at = now
            elif (
                now - held.cancelled_at > worker.options.cancel_wait_s
                and worker.attempts.is_overdue(held)
            ):
                self.leave_behind(held, worker.attempts.end_of_stubborn(held))

    async def watch_for_aborts(self) -> None:
        """Asks for a key that is absent while nobody aborts anything: cheaper than renewing."""
        worker = self._worker
        while True:
            await asyncio.sleep(worker.options.abort_check_s)
            if self.busy and await worker.patience.call(lambda: worker.pool.exists(keys.ABORT)):
                await self.renew()

    async def renew(self) -> None:
        """Extend the leases of all that is held; stop what is lost, or asked to abort."""
        held: dict[bytes, Held] = {}
        for one in self.held:
            # A retried job may run again here before its last outcome was answered for.
            if one.why_stopped is not Stop.LOST and (one.claim.key not in held or one.is_running):
                held[one.claim.key] = one
        if not held:
            return
        renewal = await self._worker.leases.renew([one.claim for one in held.values()])
        for key in renewal.lost:
            # A job that was settled while the question was under way is not lost.
            if self.stop(held[key], Stop.LOST):
                _log.warning(
                    "claim lost: another worker holds the job now", job_id=held[key].claim.job_id
                )
        for key in renewal.aborted if self._worker.allow_abort_jobs else ():
            self.stop(held[key], Stop.ABORT)
