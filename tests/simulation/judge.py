"""
The judge: stands at Redis's door, knows what each job is, and says which promise was broken.

It reads each script's call and reply, and keeps a model of every job: who holds it, until when,
how many attempts it has spent. At the end it compares Redis and the ledger with the model.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runner.broker import keys
from runner.broker.scripts import SCRIPTS
from runner.broker.scripts.fields import (
    AdminHead,
    AdminJob,
    Claimed,
    ClaimHead,
    ClaimReply,
    EnqueueHead,
    Extra,
    FreshJob,
    FullOutcome,
    Lease,
    NewJob,
    RecoverHead,
    RenewHead,
    SettleHead,
    ShortOutcome,
    StartHead,
)
from runner.simulation.network import USUAL, Answer, Door, Fate
from runner.simulation.redis import ReplyError, Trouble
from runner.simulation.redis.sorted_set import SortedSet
from tests.simulation import end_rules
from tests.simulation.ledger import QUEUE
from tests.simulation.schedule import MAX_CRASHES, OF_A_CALL
from tests.simulation.stock import STOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.simulation.network import Connection
    from runner.simulation.world import World
    from tests.simulation.ledger import Ledger
    from tests.simulation.schedule import Fault, Schedule

_SILENT_S = 12.0
_NAMES = {
    hashlib.sha1(script.text().encode()).hexdigest().encode(): name  # noqa: S324 -- as Redis names scripts
    for name, script in SCRIPTS.items()
}
_TEXTS = {script.text().encode(): name for name, script in SCRIPTS.items()}
_ROUNDING_MS = 0.01
_PLACE_MS = 2.0
_QUEUE = keys.queue_key(QUEUE).encode()
_MARK = keys.IN_PROGRESS_PREFIX.encode()
_BODY = keys.JOB_PREFIX.encode()
_STOCK_HOLDS = b"stock:1"


@dataclass(slots=True)
class JobModel:
    """
    One job as it must be.

    holder: the token of the claim that holds it, until lease_until_ms by Redis's clock. spent:
    attempts charged.
    """

    id: bytes
    due_ms: float
    key: bytes = b""
    """The id under which Redis has it: another one once it is dead, if its caller chose it."""
    holder: bytes | None = None
    lease_until_ms: float = 0.0
    spent: int = 0
    is_offered: bool = False
    is_over: bool = False
    was_stock: bool = False
    """Whether a stock arq worker had it, which knows neither attempts nor places of ours."""
    is_dead: bool = False
    ended_how: str = ""
    has_started: bool = False
    """Whether Redis was told that the attempt under this claim has started."""
    is_alone: bool = False
    """Whether it was claimed as a suspect, to run alone."""
    crashes: list[bytes] = field(default_factory=list)
    """The tokens of the claims that counted a crash."""

    def __post_init__(self) -> None:
        self.key = self.id


_RANDOM = re.compile(b"[0-9a-f]{32}")


def know(text: str, name: str) -> None:
    """Know another text of a script, too: one with a planted fault."""
    _TEXTS[text.encode()] = name
    _NAMES[hashlib.sha1(text.encode()).hexdigest().encode()] = name  # noqa: S324 -- as above


def worker_of(token: bytes) -> bytes:
    """Return the worker that made the claim of *token*."""
    return token.rpartition(b":")[0]


class Judge(Door):
    """Judges one history, and lets the faults of calls happen."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.faults: list[str] = []
        self.commands = 0
        self.seen: Counter[str] = Counter()
        """How often something rare was met: to know that it was tried."""
        self.jobs: dict[bytes, JobModel] = {}
        self.revoked: set[bytes] = set()
        """Claims that their workers gave up, since no answer came."""
        self.used_again: set[bytes] = set()
        """Ids under which more than one job was enqueued, one after the other."""
        self.injected: list[Fault] = []
        self._expected: list[Fault] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self._call: Fault | None = None
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

    def digest(self) -> str:
        """Return the hash of all that passed the door."""
        return self._digest.hexdigest()

    def left(self) -> str:
        """Return which jobs neither ended nor died; empty if all did."""
        return ", ".join(
            job.id.decode() for job in self.jobs.values() if not (job.is_over or job.is_dead)
        )

    # ------------------------------------------------------------------ faults of calls

    def note_fault(self, fault: Fault) -> None:
        """Note that *fault* happens now."""
        self.injected.append(fault)
        self.seen[fault.kind] += 1

    def expect(self, fault: Fault) -> None:
        """Let *fault* happen at the next call of its script."""
        self._expected.append(fault)

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
        self._digest.update(b"%d %.6f " % (connection.number, self.world.now))
        self._digest.update(b" ".join(command))
        self._digest.update(repr(reply).encode())
        if isinstance(reply, ReplyError):
            return
        if connection.process.name.startswith(STOCK):
            self._stock_did(connection.number, command, reply)
        elif (name := _script(command)) is not None:
            self._check(name, command[4:], reply)

    def _stock_did(self, connection: int, command: list[bytes], reply: Any) -> None:
        """Follow what a stock arq client or worker does in a transaction."""
        verb = command[0].upper()
        if verb == b"MULTI":
            self._transactions[connection] = []
        elif verb == b"EXEC":
            done = self._transactions.pop(connection, [])
            for one in done if isinstance(reply, list) else ():
                self._stock_changed(one)
        elif connection in self._transactions:
            self._transactions[connection].append(command)

    def _stock_changed(self, command: list[bytes]) -> None:
        verb, key = command[0].upper(), command[1]
        if verb == b"ZADD" and key == _QUEUE:
            score, job_id = float(command[-2]), command[-1]
            self.jobs.setdefault(job_id, JobModel(job_id, score)).due_ms = score
        elif verb == b"PSETEX" and key.startswith(_MARK):
            job = self.jobs[key.removeprefix(_MARK)]
            if job.holder is not None and job.lease_until_ms > self._now_ms() and not job.is_over:
                self.fault("stock arq took a job that we hold", job.id.decode())
            job.holder, job.lease_until_ms = _STOCK_HOLDS, self._now_ms() + float(command[2])
            job.was_stock = True
            self.seen["taken by stock arq"] += 1
        elif verb == b"DEL":
            for name in command[1:]:
                released = self.jobs.get(name.removeprefix(_MARK))
                if released is not None and name.startswith(_MARK):
                    released.holder = None
                ended = self.jobs.get(name.removeprefix(_BODY))
                if ended is not None and name.startswith(_BODY):
                    ended.is_over, ended.ended_how = True, "ended by stock arq"

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

    # ------------------------------------------------------------------ the model

    def _check(self, name: str, args: list[bytes], reply: Any) -> None:
        match name:
            case "enqueue":
                self._enqueued(args, reply)
            case "claim":
                self._claimed(args, reply)
            case "settle":
                self._settled(args, reply)
            case "renew":
                self._renewed(args, reply)
            case "start":
                self._began(args)
            case "recover":
                self._recovered(args)
            case "admin":
                self._administered(args, reply)

    def _now_ms(self) -> float:
        return self.world.redis.now_us / 1000

    def _enqueued(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(EnqueueHead, args)
        if head["form"] == b"fresh":
            if reply:
                for block in _blocks(FreshJob, rest):
                    self.jobs[block["id"]] = JobModel(block["id"], self._now_ms())
            return
        for block, created in zip(_blocks(NewJob, rest), reply, strict=True):
            known = self.jobs.get(block["id"])
            if created and (known is None or known.is_over or known.key != known.id):
                if known is not None and block["mode"] == b"new":
                    continue  # a repeated call: the job has run since
                if known is not None:
                    self.seen["an id used again"] += 1
                    self.used_again.add(block["id"])
                self.jobs[block["id"]] = JobModel(block["id"], self._due_of(block))
            elif created or block["mode"] == b"arq" or block["schedule"]:
                continue
            elif known is None or known.is_over or known.key != known.id:
                self.fault("refused though free", block["id"].decode())

    def _due_of(self, block: dict[str, bytes]) -> float:
        if block["due_ms"]:
            return float(block["due_ms"])
        return self._now_ms() + float(block["delay_ms"] or 0)

    def _claimed(self, args: list[bytes], reply: Any) -> None:
        head, _ = _head(ClaimHead, args)
        now = self._now_ms()
        told, claimed = _head(ClaimReply, reply)
        extras = {extra["place"]: extra for extra in _blocks(Extra, told["extras"])}
        if claimed and head["token"] in self.revoked:
            self.fault("a claim that was given up took jobs", head["token"].decode())
        for place, block in enumerate(_blocks(Claimed, claimed), 1):
            job = self.jobs.get(block["id"])
            name = block["id"].decode()
            if job is None:
                self.fault("a job from nowhere", name)
                continue
            if job.is_over or job.is_dead:
                self.fault("claimed after its end", f"{name} was {job.ended_how}")
            if float(block["due_ms"]) > now + _ROUNDING_MS:
                self.fault("claimed before it was due", name)
            is_held = job.holder is not None and job.lease_until_ms > now and not job.is_offered
            if is_held and worker_of(job.holder or b"") != head["worker_id"]:
                self.fault("claimed while another holds it", name)
            self._compare(job, extras.get(place, {}))
            if abs(float(block["due_ms"]) - job.due_ms) > _PLACE_MS and not job.was_stock:
                early_ms = float(block["due_ms"]) - job.due_ms
                self.fault("lost its place", f"{name}: due {early_ms:+.0f} ms")
            job.holder, job.lease_until_ms = head["token"], now + float(head["lease_ms"])
            job.is_offered = job.has_started = False
            job.is_alone = head["mode"] == b"suspect"

    def _compare(self, job: JobModel, told: dict[str, Any]) -> None:
        """A worker is told what was charged: no more, no less."""
        name = job.id.decode()
        if job.was_stock:
            return
        if int(told.get("spent", 0)) != job.spent:
            self.fault("wrong attempts", f"{name}: told {told.get('spent', 0)}, not {job.spent}")
        if int(told.get("crashes", 0)) != len(job.crashes):
            self.fault(
                "wrong crashes", f"{name}: told {told.get('crashes', 0)}, not {len(job.crashes)}"
            )

    def _settled(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(SettleHead, args)
        lost = set(reply)
        shorts = int(head["short"])
        cut = shorts * len(ShortOutcome._fields)
        outcomes = [{"kind": b"done", **block} for block in _blocks(ShortOutcome, rest[:cut])]
        outcomes += list(_blocks(FullOutcome, rest[cut:]))
        for place, outcome in enumerate(outcomes, 1):
            self._settle_one(outcome, is_lost=place in lost)

    def _settle_one(self, outcome: dict[str, Any], *, is_lost: bool) -> None:
        job = self.jobs.get(outcome["id"])
        if job is None:
            self.fault("settled, and unknown", outcome["id"].decode())
            return
        kind, name = outcome["kind"].decode(), job.id.decode()
        holds = job.holder == outcome["token"] and not (job.is_over or job.is_dead)
        if is_lost:
            if holds and not job.was_stock:
                self.fault("the right holder was refused", f"{name}, {kind}")
            self._lives(job, outcome["token"])
            return
        if not holds:
            self.fault("settled without holding it", f"{name}, {kind}")
        self._end_claim(job, kind, outcome)

    def _end_claim(self, job: JobModel, kind: str, outcome: dict[str, Any]) -> None:
        if kind == "offer":
            job.is_offered = True
            return
        job.holder, job.is_offered = None, False
        if kind in {"done", "abort", "fail"}:
            job.is_over, job.ended_how = True, kind
        elif kind == "release" and float(outcome["ms"]) > 0:
            job.due_ms = self._now_ms() + float(outcome["ms"])
        elif kind in {"dead", "retry"}:
            job.due_ms = self._now_ms() + float(outcome["ms"])
            self._charge(job, int(outcome["spent"]), kind)
            if kind == "dead":
                self._die(job, "poison" if b'"Poison"' in outcome["entry"] else "dead")
            if job.ended_how == "poison" and len(job.crashes) < MAX_CRASHES:
                self.fault(
                    "buried as poison too early", f"{job.id.decode()}: {len(job.crashes)} crashes"
                )

    def _charge(self, job: JobModel, spent: int, kind: str) -> None:
        if not job.was_stock and spent - job.spent not in ({1} if kind == "retry" else {0, 1}):
            self.fault("attempts jumped", f"{job.id.decode()}: from {job.spent} to {spent}")
        job.spent = spent

    def _renewed(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(RenewHead, args)
        now = self._now_ms()
        lost = set(reply[0])
        for block in _blocks(Lease, rest):
            job = self.jobs.get(block["id"])
            holds = job is not None and job.holder == block["token"] and not job.is_over
            if job is not None and holds and job.is_offered:
                continue  # it is due for others, and stays so
            if job is not None and holds and not job.is_dead:
                if block["id"] in lost:
                    self.fault("the right holder was told that it lost", job.id.decode())
                else:
                    job.lease_until_ms = now + float(head["lease_ms"])
                    job.has_started = True
                    self._is_held(job)
            elif job is not None:
                self._lives(job, block["token"])

    def _is_held(self, job: JobModel) -> None:
        """Until its lease ends, a renewed job is due for nobody, and marked for stock arq."""
        values = self.world.redis.db.values
        queue = values.get(_QUEUE)
        due = queue.scores.get(job.id, 0.0) if isinstance(queue, SortedSet) else 0.0
        if due < job.lease_until_ms - _PLACE_MS or values.get(_MARK + job.id) != job.holder:
            self.fault("renewed, and not held", job.id.decode())

    def _lives(self, job: JobModel, token: bytes) -> None:
        """The worker of a lost claim lives: the crash that was counted for it is taken back."""
        if token in job.crashes and job.holder != token:
            job.crashes.remove(token)
            self.seen["a crash taken back"] += 1

    def _began(self, args: list[bytes]) -> None:
        head, ids = _head(StartHead, args)
        for job_id in ids:
            job = self.jobs.get(job_id)
            if job is not None and job.holder == head["token"]:
                job.has_started = True

    def _recovered(self, args: list[bytes]) -> None:
        head, ids = _head(RecoverHead, args)
        if head["unanswered"]:
            self.revoked.add(head["unanswered"])
        for job_id in ids:
            job = self.jobs.get(job_id)
            if job is None or job.holder is None or job.is_over or job.is_dead:
                continue
            if head["unanswered"]:
                if job.holder == head["unanswered"]:
                    job.holder = None
                    self.seen["an unanswered claim undone"] += 1
            elif job.lease_until_ms < self._now_ms() and not job.is_offered:
                if job.has_started and (not job.crashes or job.is_alone):
                    job.crashes.append(job.holder)
                job.holder = None
                self.seen["a lapsed job put back"] += 1

    def _administered(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(AdminHead, args)
        for block, found in zip(_blocks(AdminJob, rest), reply, strict=True):
            job = self.jobs.get(block["id"])
            if job is not None and found not in {b"running", b"gone"}:
                self._acted_on(job, head, found.decode())

    def _acted_on(self, job: JobModel, head: dict[str, bytes], found: str) -> None:
        action = head["action"].decode()
        if action in {"run", "reschedule"} and found == "dead":
            job.is_dead, job.spent, job.due_ms = False, 0, self._now_ms()
            job.crashes.clear()
            job.key = job.id
        elif action in {"run", "reschedule"}:
            due = float(head["due_ms"] or self._now_ms())
            job.due_ms = due if action == "reschedule" else min(job.due_ms, due)
        elif action == "bury" and found == "waiting":
            self._die(job, "buried")
        elif action == "delete" or (action == "abort" and found == "waiting"):
            job.is_over, job.ended_how, job.is_dead = True, action, False

    def _die(self, job: JobModel, how: str) -> None:
        """Let a job die; an id that its caller chose is free from now on."""
        job.is_dead, job.ended_how = True, how
        if not _RANDOM.fullmatch(job.id):
            job.key = b"%b~%d" % (job.id, math.floor(self._now_ms()))

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Compare the ledger, and what Redis still has, with the model."""
        for rule, detail in end_rules.broken(self):
            self.fault(rule, detail)


def _script(command: Sequence[bytes]) -> str | None:
    verb = command[0].upper()
    if verb == b"EVALSHA":
        return _NAMES.get(command[1])
    return _TEXTS.get(command[1]) if verb == b"EVAL" else None


def _head(kind: type[Any], args: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    names = kind._fields
    return dict(zip(names, args, strict=False)), args[len(names) :]


def _blocks(kind: type[Any], values: list[Any]) -> Iterator[dict[str, Any]]:
    size = len(kind._fields)
    for at in range(0, len(values), size):
        yield dict(zip(kind._fields, values[at : at + size], strict=True))


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
