"""
The judge: stands at Redis's door, knows what each job is, and says which promise was broken.

It reads each script's call and reply, which must make a history that jobs allow. At the end it
compares Redis and the ledger with what the history says.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any, cast

from runner.broker import keys
from runner.broker.scripts import SCRIPTS
from runner.broker.scripts.fields import ClaimHead
from runner.simulation.network import USUAL, Answer, Door, Fate
from runner.simulation.redis import ReplyError, Trouble
from runner.simulation.redis.sorted_set import SortedSet
from tests.job_history import JobHistory, enqueued_in
from tests.simulation import end_rules
from tests.simulation.flow_rules import FlowRules
from tests.simulation.ledger import ASIDE, QUEUE
from tests.simulation.schedule import MAX_CRASHES, OF_A_CALL
from tests.simulation.stock import STOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.simulation.network import Connection
    from runner.simulation.world import World
    from tests.job_history import JobModel, Memory
    from tests.simulation.ledger import Ledger
    from tests.simulation.schedule import Fault, Schedule

_SILENT_S = 12.0
_NAMES = {
    hashlib.sha1(script.text().encode()).hexdigest().encode(): name  # noqa: S324 -- as Redis names scripts
    for name, script in SCRIPTS.items()
}
_TEXTS = {script.text().encode(): name for name, script in SCRIPTS.items()}
_PLACE_MS = 2.0
_FAR_MS = 60_000.0
"""Further in the future than any delay of these worlds."""
_QUEUE = keys.ARQ.queue_key(QUEUE).encode()
_ASIDE = keys.ARQ.queue_key(ASIDE).encode()
_ASIDE_PLACES = tuple(_ASIDE + place.encode() for place in keys.PLACES if place != keys.DEAD_SUFFIX)
_MARK = keys.ARQ.in_progress_prefix.encode()
_BODY = keys.ARQ.job_prefix.encode()
_ACKNOWLEDGED_AND_LOST = "acknowledged, and lost with the last second"
_BY_THE_CLOCK = frozenset({"faster than the rate of its lane"})
"""Rules of what passes by Redis's clock, which nobody may set meanwhile."""
_UNSENT = frozenset({"lose_answer", "silence"})
"""Faults of a call whose answer never arrives."""
_HINDER_NO_RENEWAL = frozenset(
    {
        "crash",
        "crash_soon",
        "crash_sender",
        "terminate",
        "askew",
        "flush_scripts",
        "flush_after",
        "lose_question",
        "lose_answer",
    }
)
"""Faults through which a worker that goes on renews its leases."""


def know(text: str, name: str) -> None:
    """Know another text of a script, too: one with a planted fault."""
    _TEXTS[text.encode()] = name
    _NAMES[hashlib.sha1(text.encode()).hexdigest().encode()] = name  # noqa: S324 -- as above


class Judge(Door):
    """Judges one history, and lets the faults of calls happen."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.faults: list[str] = []
        self.commands = 0
        self.history = JobHistory(self._contradicted, max_crashes=MAX_CRASHES)
        self.jobs = self.history.jobs
        self.seen = self.history.seen
        self.injected: list[Fault] = []
        self.flows = FlowRules(self)
        self._expected: list[Fault] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self._call: Fault | None = None
        self._unanswered: dict[bytes, bytes] = {}
        """By worker: its last claim, if the answer to it is lost."""
        self._transactions: dict[int, list[list[bytes]]] = {}

    def attend(self, world: World, ledger: Ledger) -> None:
        """Judge what happens in *world*."""
        self.world = world
        self.ledger = ledger
        ledger.is_suspect = self._is_suspect

    def _is_suspect(self, job_id: str) -> bool:
        job = self.jobs.get(job_id.encode())
        return job is not None and bool(job.crashes) and not job.was_stock

    def fault(self, rule: str, detail: str) -> None:
        """Note that a promise was broken: *rule* names it, *detail* says how."""
        sentence = f"{rule}: {detail} (at {self.world.now:.3f} s)"
        if not any(known.startswith(f"{rule}:") for known in self.faults):
            self.faults.append(sentence)

    def _contradicted(self, rule: str, job_id: bytes, detail: str) -> None:
        if rule in _BY_THE_CLOCK and {one.kind for one in self.injected} & {"clock", "lose_second"}:
            return
        self.fault(rule, ": ".join(filter(None, (job_id.decode(), detail))))

    def digest(self) -> str:
        """Return the hash of all that passed the door."""
        return self._digest.hexdigest()

    def left(self) -> str:
        """
        Return which jobs neither ended nor died; empty if all did.

        A job that was not due yet when Redis's clock was set back waits for the time that it was
        given, however long that takes now.
        """
        far_ms = self.now_ms() + _FAR_MS
        left = [one for one in self.history.left() if one.holder or one.due_ms < far_ms]
        ids = [job.id.decode() for job in left]
        values = self.world.redis.db.values
        ids += [place.decode() for place in _ASIDE_PLACES if place in values]
        return ", ".join(ids)

    # ------------------------------------------------------------------ faults of calls

    def note_fault(self, fault: Fault) -> None:
        """Note that *fault* happens now."""
        self.injected.append(fault)
        self.seen[fault.kind] += 1

    def expect(self, fault: Fault) -> None:
        """Let *fault* happen at the next call of its script."""
        self._expected.append(fault)

    def lose_last_second(self, then: Memory) -> None:
        """Let Redis have lost what came since *then*, acknowledged jobs among it."""
        # Its fences are forgotten, too: by a clock that is set back, even later, they come again.
        set_back = any(fault.kind == "clock" for fault in self.schedule.faults)
        for lost in self.history.forget_since(then, fences_too=set_back):
            job_id = lost.decode()
            self.ledger.forgotten[job_id] = self.world.now
            if job_id in self.ledger.acknowledged:
                self.ledger.acknowledged.remove(job_id)
                self.seen[_ACKNOWLEDGED_AND_LOST] += 1

    def acknowledge(self, job_id: str) -> None:
        """Note that a client has read that Redis has a job, which it may have lost since."""
        if not self.ledger.acknowledge(job_id):
            self.seen[_ACKNOWLEDGED_AND_LOST] += 1

    def refuse(self, code: str, for_s: float) -> None:
        """Let Redis refuse with *code* for a while."""
        self.world.redis.trouble = Trouble[code]
        self.world.later(self.world.now + for_s, self._refuse_no_more)

    def _refuse_no_more(self) -> None:
        self.world.redis.trouble = None

    def end_trouble(self) -> None:
        """Let nothing more happen."""
        self._expected.clear()
        self._refuse_no_more()

    def fate(self, connection: Connection, command: list[bytes]) -> Fate:
        """Return what happens to a call for which a fault waits."""
        del connection
        self._call = None
        name = _script(command)
        if name is None:
            return USUAL
        for fault in self._expected:
            if fault.what == name:
                self._expected.remove(fault)
                self._call = fault
                self.seen[f"{fault.kind} {name}"] += 1
                return _fate_of(fault)
        return USUAL

    def answered(self, connection: Connection, command: list[bytes], reply: Any) -> None:
        """Check a command that Redis has run."""
        self.commands += 1
        words, told = b" ".join(command), repr(reply).encode()
        self._digest.update(b"%d %.6f %b%b" % (connection.number, self.world.now, words, told))
        if isinstance(reply, ReplyError):
            return
        if connection.process.name.startswith(STOCK):
            self._stock_did(connection.number, command, reply)
        elif (name := _script(command)) is not None and _ASIDE not in command:
            args = command[3 + int(command[2]) :]
            if name == "claim":
                self._check_unanswered(args)
            elif name == "enqueue" and reply != 0 and not self._is_unsent():
                self._has_said_to_have(*enqueued_in(args))
            self.history.follow(name, args, reply, self.now_ms())
            for job in self.history.renewed:
                self._is_held(job)
            for job_id, token in self.history.lapsed:
                self._let_lapse(job_id, token)
            self.flows.look()

    def _check_unanswered(self, args: list[bytes]) -> None:
        """A worker gives up a claim that was not answered before it claims again."""
        head = ClaimHead(*args[: len(ClaimHead._fields)])  # type: ignore[arg-type]  # as they came
        token, worker = cast("bytes", head.token), cast("bytes", head.worker_id)
        if token in self.history.revoked:
            return  # the worker sent it earlier, and has given it up
        before = self._unanswered.pop(worker, None)
        if before is not None and before not in self.history.revoked:
            self.fault("a claim without an answer was not given up", before.decode())
        if self._is_unsent():
            self._unanswered[worker] = token

    def _is_unsent(self) -> bool:
        """Whether the answer to the call that has just run never arrives."""
        return self._call is not None and self._call.kind in _UNSENT

    def _has_said_to_have(self, *ids: bytes) -> None:
        """Note that Redis has sent an answer which says that it has these jobs."""
        self.ledger.answered.update((one.decode(), self.world.now) for one in ids)

    def _stock_did(self, connection: int, command: list[bytes], reply: Any) -> None:
        """Follow what a stock arq client or worker does in a transaction."""
        verb = command[0].upper()
        if verb == b"MULTI":
            self._transactions[connection] = []
        elif verb == b"EXEC":
            done = self._transactions.pop(connection, [])
            for one, told in zip(done, reply, strict=True) if isinstance(reply, list) else ():
                self._stock_changed(one, told)
        elif connection in self._transactions:
            self._transactions[connection].append(command)

    def _stock_changed(self, command: list[bytes], told: Any) -> None:
        verb, key = command[0].upper(), command[1]
        if verb == b"ZADD" and key == _QUEUE:
            score, job_id = float(command[-2]), command[-1]
            self.history.put(job_id, score)
            self._has_said_to_have(job_id)
        elif verb == b"ZINCRBY" and command[-1] in self.jobs:
            job = self.jobs[command[-1]]
            job.due_ms = job.lease_until_ms = float(told)
        elif verb == b"PSETEX" and key.startswith(_MARK):
            job = self.jobs[key.removeprefix(_MARK)]
            if not self._is_in_queue(job):
                self.fault("stock arq took a job that had left the queue", job.id.decode())
            if job.is_held(self.now_ms()) and not job.is_over:
                self.fault("stock arq took a job that we hold", job.id.decode())
            job.stock_until_ms = self.now_ms() + float(command[2])
            job.was_stock = job.is_taken_over = True
            self.seen["taken by stock arq"] += 1
        elif verb == b"DEL":
            for name in command[1:]:
                released = self.jobs.get(name.removeprefix(_MARK))
                if released is not None and name.startswith(_MARK):
                    released.stock_until_ms = 0.0
                ended = self.jobs.get(name.removeprefix(_BODY))
                if ended is not None and name.startswith(_BODY):
                    self.history.end(ended, "ended by stock arq")

    def _is_in_queue(self, job: JobModel) -> bool:
        queue = self.world.redis.db.values.get(_QUEUE)
        return isinstance(queue, SortedSet) and job.id in queue.scores

    def gone(self, connection: Connection) -> None:
        """Let what follows a call happen to its sender."""
        fault, self._call = self._call, None
        if fault is None:
            return
        process = self.world.process_named(connection.process.name)
        if fault.kind == "crash_sender" and not process.name.startswith(("client", "operator")):
            process.crash()
        elif fault.kind == "freeze_sender":
            process.freeze(fault.for_s)
        elif fault.kind == "flush_after":
            self.world.redis.scripts.clear()

    def now_ms(self) -> float:
        """Return the time by Redis's clock, Unix ms."""
        return self.world.redis.now_us / 1000

    def _is_held(self, job: JobModel) -> None:
        """Until its lease ends, a renewed job is due for nobody, and marked for stock arq."""
        values = self.world.redis.db.values
        queue = values.get(_QUEUE)
        due = queue.scores.get(job.id, 0.0) if isinstance(queue, SortedSet) else 0.0
        if due < job.lease_until_ms - _PLACE_MS or values.get(_MARK + job.id) != job.holder:
            self.fault("renewed, and not held", job.id.decode())

    def _let_lapse(self, job_id: bytes, token: bytes) -> None:
        """A worker that lives, and that nothing has disturbed, renews its leases in time."""
        if not {one.kind for one in self.injected} <= _HINDER_NO_RENEWAL:
            return
        process = self.world.processes[int(token.split(b":")[1]) - 1]
        if process.is_alive:
            self.fault(
                "a lease ended though its worker lived", f"{job_id.decode()}: {process.name}"
            )

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Compare the ledger, and what Redis still has, with the model."""
        for rule, detail in itertools.chain(end_rules.broken(self), self.flows.broken()):
            self.fault(rule, detail)


def _script(command: Sequence[bytes]) -> str | None:
    verb = command[0].upper()
    if verb == b"EVALSHA":
        return _NAMES.get(command[1])
    return _TEXTS.get(command[1]) if verb == b"EVAL" else None


def _fate_of(fault: Fault) -> Fate:
    assert fault.kind in OF_A_CALL
    match fault.kind:
        case "lose_question":
            return Fate(runs=False)
        case "late_question":
            return Fate(waits_s=fault.for_s)
        case "lose_answer":
            return Fate(answer=Answer.LOST)
        case "silence":
            return Fate(answer=Answer.SILENCE)
        case "late_answer":
            return Fate(late_s=fault.for_s)
        case _:
            return USUAL
