"""
What a job is, as a sequential object: a history of calls either keeps its rules, or breaks one.

A history is what Redis ran: the calls of scripts one after the other, each with its arguments and
its reply. The model follows each job through it: who holds it, until when, when it is due, how
many attempts and crashes are charged. A reply that the model does not allow contradicts it.

The simulation reads its history at its Redis's door, `make chaos` from a list that the scripts
themselves write.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

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
    LaneHead,
    Lease,
    NewJob,
    RecoverHead,
    RenewHead,
    SetBackHead,
    SettleHead,
    ShortOutcome,
    StartHead,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROUNDING_MS = 0.01
_PLACE_MS = 2.0
_RANDOM = re.compile(b"[0-9a-f]{32}")
_DRAWN = re.compile(rb'("n":"[0-9a-f]+")}$')


@dataclass(slots=True)
class JobModel:
    """
    One job as it must be.

    holder: the token of the claim that Redis has it marked with: it holds the job until
    lease_until_ms by Redis's clock, unless a stock arq worker has taken it since. spent: attempts
    charged.
    """

    id: bytes
    due_ms: float
    body: bytes = b""
    key: bytes = b""
    """The id under which Redis has it: another one once it is dead, if its caller chose it."""
    holder: bytes | None = None
    lease_until_ms: float = 0.0
    spent: int = 0
    is_offered: bool = False
    is_over: bool = False
    was_stock: bool = False
    """Whether a stock arq worker had it, which knows neither attempts nor places of ours."""
    stock_until_ms: float = 0.0
    """Until when a stock arq worker holds it: 0 if none does."""
    is_taken_over: bool = False
    """
    Whether a stock arq worker has taken it since its last claim, whose mark Redis keeps.

    So that claim may still end the job, its start may still arrive, and its crash counts when the
    job is put back.
    """
    is_dead: bool = False
    ended_how: str = ""
    has_started: bool = False
    """Whether Redis was told that the attempt under this claim has started."""
    is_alone: bool = False
    """Whether it was claimed as a suspect, to run alone."""
    crashes: list[bytes] = field(default_factory=list)
    """The tokens of the claims that counted a crash."""
    blamed: tuple[bytes, ...] = ()
    """Those of them for which it died: its last worker may turn out to live afterwards."""
    lane: bytes = b""
    """Its lane, where it waits until there is a place: it may come due later than it was to."""
    pace: bytes = b""
    """Of its lane, as `NewJob.lane` has it: its place is free once it is claimed."""
    is_put_back: bool = False
    """Whether it comes due again after its claim was lost: it takes tokens, but waits for none."""
    result: bytes = b""
    """What it left behind as it ended."""
    kept_until_ms: float = 0.0
    """Until when Redis keeps that."""
    is_ahead: bool = False
    """Whether it has a priority."""
    may_have_made_room: bool = False
    """
    Whether it may have given up its place in its lane, not being due. Until our next claim it
    stands in the queue all the same, where a stock arq worker may take it: then it has a place.
    """
    is_place_known: bool = True
    """False once Redis's clock was set back past its due time: the next claim tells it."""

    def __post_init__(self) -> None:
        self.key = self.id

    def is_held(self, now_ms: float) -> bool:
        """Whether a claim of ours holds it, and nobody else may have it."""
        return self.holder is not None and self.lease_until_ms > now_ms and not self.is_offered


class Memory(NamedTuple):
    """What was known at one moment."""

    jobs: dict[bytes, JobModel]
    fence: int


def worker_of(token: bytes) -> bytes:
    """Return the worker that made the claim of *token*."""
    return token.rpartition(b":")[0]


class JobHistory:
    """
    Follows the calls of scripts, in the order in which Redis ran them.

    on_fault: called with the rule that a call broke, the job's id, and how.
    """

    def __init__(self, on_fault: Callable[[str, bytes, str], None], *, max_crashes: int) -> None:
        self.jobs: dict[bytes, JobModel] = {}
        self.revoked: set[bytes] = set()
        """Claims that their workers gave up, since no answer came."""
        self.used_again: set[bytes] = set()
        """Ids under which more than one job was enqueued, one after the other."""
        self.renewed: list[JobModel] = []
        """The jobs whose leases the last call extended."""
        self.lapsed: list[tuple[bytes, bytes]] = []
        """Jobs, and their claims whose leases the last call found at their ends."""
        self.seen: Counter[str] = Counter()
        """How often something rare was met: to know that it was tried."""
        self._on_fault = on_fault
        self._max_crashes = max_crashes
        self.heard: set[tuple[bytes, bytes]] = set()
        """Claims, by token, and jobs: Redis knew in time that they had started."""
        self.claim_of_fence: dict[int, bytes] = {}
        self._fence = 0
        self._live: dict[bytes, JobModel] = {}
        self._starts: dict[bytes, list[float]] = {}
        """When jobs of a lane were claimed within the last second."""
        self._places: dict[bytes, int] = {}
        """How many jobs of a lane may run at a time: its largest limit so far."""
        self.forgotten: set[bytes] = set()
        """Jobs that Redis lost with its last second."""
        self._now_ms = 0.0

    def follow(self, script: str, args: list[bytes], reply: Any, now_ms: float) -> None:
        """Check one call. args: its ARGV. now_ms: the time it saw. Other scripts change no job."""
        self._now_ms = now_ms
        self.renewed.clear()
        self.lapsed.clear()
        match script:
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
            case "set_back":
                self._set_back(args)
            case "lane":
                self._limited(args)

    def remembered(self) -> Memory:
        """Return what is known of all jobs now, for `forget_since`."""
        return Memory(copy.deepcopy(self.jobs), self._fence)

    def forget_since(self, then: Memory, *, fences_too: bool = False) -> set[bytes]:
        """
        Let Redis have lost what came since *then*; return the jobs that it does not know any more.

        fences_too: whether fences, which follow Redis's clock, may come again.
        """
        known = copy.deepcopy(then.jobs)
        for key, job in known.items():
            # The stock arq worker that has it has not forgotten it, and ends it as it likes.
            job.was_stock = self.jobs[key].was_stock
        lost = self.jobs.keys() - known.keys()
        self.forgotten |= lost
        self.jobs.clear()
        self.jobs.update(known)
        self._live = {key: job for key, job in known.items() if not job.is_over}
        if fences_too:
            self._fence = then.fence
        return lost

    def left(self) -> list[JobModel]:
        """Return the jobs that neither ended nor died."""
        return [job for job in self._live.values() if not (job.is_over or job.is_dead)]

    def _fault(self, rule: str, job: JobModel, detail: str = "") -> None:
        self._on_fault(rule, job.id, detail)

    def _look_at_lease(self, job: JobModel) -> None:
        """Note a lease that has ended: whoever held it did not renew it in time."""
        if job.holder is not None and job.lease_until_ms < self._now_ms and not job.is_offered:
            self.lapsed.append((job.id, job.holder))

    def put(self, job_id: bytes, due_ms: float, rule: bytes = b"") -> None:
        """Let a job wait until *due_ms*, as a stock arq client does, or a letter."""
        if job_id not in self.jobs:
            self._new(job_id, due_ms, rule=rule)
        self.jobs[job_id].due_ms = due_ms

    def _new(self, job_id: bytes, due_ms: float, body: bytes = b"", rule: bytes = b"") -> None:
        limit, _, lane = rule.partition(b"|")
        limit, s, pace = limit.partition(b"s")
        if lane:
            self._places[lane] = max(self._places.get(lane, 0), int(limit))
        is_later = due_ms > self._now_ms
        job = JobModel(job_id, due_ms, body, lane=lane, pace=s + pace, may_have_made_room=is_later)
        self.jobs[job_id] = self._live[job_id] = job

    def _limited(self, args: list[bytes]) -> None:
        head, lanes = _head(LaneHead, args)
        for lane in lanes if head["action"] == b"limit" and head["limit"] else ():
            self._places[lane] = max(self._places.get(lane, 0), int(head["limit"]))

    def _check_rate(self, job: JobModel) -> None:
        """No more jobs of a lane are claimed within a time than its rate, and a burst."""
        unit_ms, _, _ = job.pace[1:].partition(b"/")
        if job.is_put_back or not unit_ms:
            return
        now, starts = self._now_ms, self._starts.setdefault(job.lane, [])
        starts[:] = [one for one in starts if one > now - 1000]
        starts.append(now)
        if len(starts) > 1000 / float(unit_ms) + self._places[job.lane]:
            told = ", ".join(f"{one - now:.0f} ms" for one in starts)
            self._fault("faster than the rate of its lane", job, told)

    def _check_lane(self, lane: bytes) -> None:
        """No more jobs of a lane are held at a time than its limit says."""
        held = [
            job
            for job in self._live.values()
            if job.lane == lane
            and not job.is_dead
            and (job.holder is not None or job.stock_until_ms > self._now_ms)
            and not (job.was_stock and job.may_have_made_room)
        ]
        if len(held) > self._places[lane]:
            ids = b", ".join(job.id for job in held).decode()
            self._fault("more of a lane than its limit", held[-1], f"{lane.decode()}: {ids}")
        elif len(held) == self._places[lane]:
            self.seen["a lane that is full"] += 1

    def end(self, job: JobModel, how: str) -> None:
        """Let a job be over: it left nothing behind but a result."""
        job.is_over, job.ended_how = True, how
        self._live.pop(job.id, None)

    def _enqueued(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(EnqueueHead, args)
        if head["form"] == b"fresh":
            if reply:
                for block in _blocks(FreshJob, rest):
                    self._new(block["id"], self._now_ms, block["body"])
            return
        for block, created in zip(_blocks(NewJob, rest), reply, strict=True):
            self._enqueue_one(block, is_created=bool(created))

    def _enqueue_one(self, block: dict[str, Any], *, is_created: bool) -> None:
        known = self.jobs.get(block["id"])
        is_free = known is None or known.is_over or known.key != known.id
        if is_created and is_free:
            if known is not None and self._is_repeated(known, block):
                return
            if known is not None:
                self.seen["an id used again"] += 1
                self.used_again.add(block["id"])
            self._new(block["id"], self._due_of(block), block["body"], block["lane"])
            self.jobs[block["id"]].is_ahead = bool(block["ahead_ms"])
        elif is_created or block["schedule"]:
            return
        elif known is not None and known.body == block["body"]:
            self._fault("a repeated enqueue was not known", known)
        elif is_free and block["mode"] != b"arq":
            self._on_fault("refused though free", block["id"], "")

    def _is_repeated(self, known: JobModel, block: dict[str, bytes]) -> bool:
        """
        Whether a call for a job that has left its id is an earlier one, made again: it adds none.

        A dead job under an id of its caller's choice still tells its own call by the body, to the
        byte, and one that is over by the digits in its result, while that is kept. One that left
        neither is followed by another job.
        """
        if known.ended_how == "delete":
            return False
        if block["mode"] == b"new" or (known.is_dead and known.body == block["body"]):
            return True
        drawn = _DRAWN.search(block["body"])
        is_kept = self._now_ms < known.kept_until_ms
        return drawn is not None and is_kept and drawn[1] in known.result

    def _due_of(self, block: dict[str, bytes]) -> float:
        if block["due_ms"]:
            return float(block["due_ms"])
        return self._now_ms + float(block["delay_ms"] or 0)

    def _claimed(self, args: list[bytes], reply: Any) -> None:
        head, _ = _head(ClaimHead, args)
        now = self._now_ms
        told, claimed = _head(ClaimReply, reply)
        extras = {extra["place"]: extra for extra in _blocks(Extra, told["extras"])}
        if claimed:
            self._check_claim(head["token"], int(told["fence"]))
        for place, block in enumerate(_blocks(Claimed, claimed), 1):
            job = self.jobs.get(block["id"])
            if job is None:
                self._on_fault("a job from nowhere", block["id"], "")
                continue
            if job.is_over or job.is_dead:
                self._fault("claimed after its end", job, f"was {job.ended_how}")
            due_ms = float(block["due_ms"])
            if due_ms > now + _ROUNDING_MS:
                self._fault("claimed before it was due", job)
            if job.holder is not None:
                job.due_ms = min(job.due_ms, now)
                job.is_put_back = True
            self._look_at_lease(job)
            if job.stock_until_ms > now or (
                job.is_held(now) and worker_of(job.holder or b"") != head["worker_id"]
            ):
                self._fault("claimed while another holds it", job)
            self._compare(job, extras.get(place, {}))
            self._check_place(job, due_ms)
            job.holder, job.lease_until_ms = head["token"], now + float(head["lease_ms"])
            job.is_offered = job.has_started = job.is_taken_over = False
            job.is_alone = head["mode"] == b"suspect"
            if job.pace:
                self._check_rate(job)
            elif job.lane:
                self._check_lane(job.lane)
            job.is_put_back = False

    def _check_place(self, job: JobModel, due_ms: float) -> None:
        """A job keeps the due time that it has; in a lane it comes due when it gets a place."""
        if not job.is_place_known or (job.lane and due_ms > job.due_ms):
            job.due_ms, job.is_place_known = due_ms, True
        elif abs(due_ms - job.due_ms) > _PLACE_MS and not job.was_stock:
            self._fault("lost its place", job, f"due {due_ms - job.due_ms:+.0f} ms")

    def _check_claim(self, token: bytes, fence: int) -> None:
        """A claim that took jobs was not given up, and its fence is higher than any before."""
        if fence <= self._fence:
            self._on_fault("a fence did not grow", b"", f"{fence} after {self._fence}")
        self._fence = max(self._fence, fence)
        self.claim_of_fence[fence] = token
        if token in self.revoked:
            self._on_fault("a claim that was given up took jobs", b"", token.decode())

    def _compare(self, job: JobModel, told: dict[str, Any]) -> None:
        """A worker is told what was charged: no more, no less."""
        spent, crashes = int(told.get("spent", 0)), int(told.get("crashes", 0))
        if spent != job.spent and not job.was_stock:
            self._fault("wrong attempts", job, f"told {spent}, not {job.spent}")
        if crashes != len(job.crashes):
            self._fault("wrong crashes", job, f"told {crashes}, not {len(job.crashes)}")

    def _settled(self, args: list[bytes], reply: Any) -> None:
        lost = set(reply)
        for place, outcome in enumerate(_outcomes(args), 1):
            self._settle_one(outcome, is_lost=place in lost)

    def _settle_one(self, outcome: dict[str, Any], *, is_lost: bool) -> None:
        job = self.jobs.get(outcome["id"])
        if job is None:
            if not (is_lost and outcome["id"] in self.forgotten):
                self._on_fault("settled, and unknown", outcome["id"], "")
            return
        kind = outcome["kind"].decode()
        holds = job.holder == outcome["token"] and not (job.is_over or job.is_dead)
        if is_lost:
            if holds and job.is_taken_over:
                job.holder = None
            elif holds:
                self._fault("the right holder was refused", job, kind)
            if kind != "offer":
                self._lives(job, outcome["token"])
            return
        if job.is_taken_over:
            # A stock arq worker has run it meanwhile, and put it back; now it is done here.
            is_end = kind in {"done", "fail", "abort", "dead"}
            holds = holds and is_end and job.stock_until_ms < self._now_ms
        if not holds:
            self._fault("settled without holding it", job, kind)
        self._look_at_lease(job)
        self._end_claim(job, kind, outcome)

    def _end_claim(self, job: JobModel, kind: str, outcome: dict[str, Any]) -> None:
        if kind == "offer":
            job.is_offered = True
            self._goes_back(job)
            return
        job.holder, job.is_offered = None, False
        self._goes_back(job)
        if kind in {"done", "abort", "fail"}:
            ms = float(outcome["ms"])
            job.result, job.kept_until_ms = (
                outcome["result"],
                self._now_ms + ms if ms >= 0 else math.inf,
            )
            self.end(job, kind)
        elif kind == "release" and float(outcome["ms"]) > 0:
            job.due_ms = self._now_ms + float(outcome["ms"])
        elif kind in {"dead", "retry"}:
            job.due_ms = self._now_ms + float(outcome["ms"])
            job.may_have_made_room = True
            self._charge(job, int(outcome["spent"]), kind)
            if kind == "dead":
                self._die(job, "poison" if b'"Poison"' in outcome["entry"] else "dead")
            job.blamed = tuple(job.crashes)
            if job.ended_how == "poison" and len(job.crashes) < self._max_crashes:
                self._fault("buried as poison too early", job, f"{len(job.crashes)} crashes")

    def _goes_back(self, job: JobModel) -> None:
        """It was due when it was claimed, though Redis's clock may have been set back since."""
        if job.is_ahead and job.due_ms > self._now_ms:
            job.is_place_known = False  # with a head start it stands in the past all the same
        job.due_ms = min(job.due_ms, self._now_ms)

    def _charge(self, job: JobModel, spent: int, kind: str) -> None:
        if not job.was_stock and spent - job.spent not in ({1} if kind == "retry" else {0, 1}):
            self._fault("attempts jumped", job, f"from {job.spent} to {spent}")
        job.spent = spent

    def _renewed(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(RenewHead, args)
        now = self._now_ms
        lost = set(reply[0])
        for block in _blocks(Lease, rest):
            job = self.jobs.get(block["id"])
            holds = job is not None and job.holder == block["token"] and not job.is_over
            if job is not None and holds and job.is_offered:
                continue  # it is due for others, and stays so
            if job is not None and holds and not job.is_dead:
                if block["id"] in lost and job.is_taken_over:
                    job.holder = None
                elif block["id"] in lost:
                    self._fault("the right holder was told that it lost", job)
                else:
                    self._look_at_lease(job)
                    if job.stock_until_ms > now:
                        self._fault("renewed, though a stock arq worker holds it", job)
                    job.is_taken_over = False
                    job.lease_until_ms = now + float(head["lease_ms"])
                    self._has_started(job)
                    self.renewed.append(job)
            elif job is not None:
                is_own = worker_of(job.holder or b"") == head["worker_id"]
                if block["id"] not in lost and not (is_own or job.was_stock):
                    self._fault("a lost claim was renewed", job)
                if head["outlived"] == b"1":
                    self._lives(job, block["token"])

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
                self._has_started(job)

    def _has_started(self, job: JobModel) -> None:
        job.has_started = True
        self.heard.add((job.holder or b"", job.id))

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
                    job.holder, job.is_put_back = None, True
                    self._goes_back(job)
                    self.seen["an unanswered claim undone"] += 1
            elif max(job.lease_until_ms, job.stock_until_ms) < self._now_ms and not job.is_offered:
                self._look_at_lease(job)
                lives = worker_of(job.holder) == head["worker_id"]
                if job.has_started and not lives and (not job.crashes or job.is_alone):
                    job.crashes.append(job.holder)
                job.holder, job.is_put_back = None, True
                self._goes_back(job)
                self.seen["a lapsed job put back"] += 1

    def _set_back(self, args: list[bytes]) -> None:
        """Redis's clock was set back: what was due is due, and leases end within one lease."""
        head, _ = _head(SetBackHead, args)
        until_ms, ends_ms = float(head["until_ms"]), self._now_ms + float(head["lease_ms"])
        for job in self._live.values():
            if job.holder is not None and not job.is_offered:
                job.lease_until_ms = min(job.lease_until_ms, ends_ms)
            elif job.due_ms <= until_ms and (job.due_ms > self._now_ms or job.lane):
                # In a lane it may come due later than it was to.
                job.is_place_known = False

    def _administered(self, args: list[bytes], reply: Any) -> None:
        head, rest = _head(AdminHead, args)
        for block, found in zip(_blocks(AdminJob, rest), reply, strict=True):
            job = self.jobs.get(block["id"])
            if job is not None and found not in {b"running", b"gone", b"held"}:
                self._acted_on(job, head, found.decode())

    def _acted_on(self, job: JobModel, head: dict[str, bytes], found: str) -> None:
        action = head["action"].decode()
        if action in {"run", "reschedule"} and found == "dead":
            job.is_dead, job.spent, job.due_ms = False, 0, self._now_ms
            job.crashes.clear()
            job.key = job.id
        elif action in {"run", "reschedule"}:
            due = float(head["due_ms"] or self._now_ms)
            job.due_ms = due if action == "reschedule" else min(job.due_ms, due)
        elif action == "bury" and found == "waiting":
            self._die(job, "buried")
        elif action == "delete" or (action == "abort" and found == "waiting"):
            if action == "abort":
                job.result, job.kept_until_ms = job.body, self._now_ms + float(head["keep_ms"])
            self.end(job, action)
            job.is_dead = False

    def _die(self, job: JobModel, how: str) -> None:
        """Let a job die; an id that its caller chose is free from now on."""
        job.is_dead, job.ended_how = True, how
        if not _RANDOM.fullmatch(job.id):
            job.key = b"%b~%d" % (job.id, math.floor(self._now_ms))


def _head(kind: type[Any], args: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    names = kind._fields
    return dict(zip(names, args, strict=False)), args[len(names) :]


def _blocks(kind: type[Any], values: list[Any]) -> Iterator[dict[str, Any]]:
    size = len(kind._fields)
    for at in range(0, len(values), size):
        yield dict(zip(kind._fields, values[at : at + size], strict=True))


def _outcomes(args: list[bytes]) -> list[dict[str, Any]]:
    head, rest = _head(SettleHead, args)
    cut = int(head["short"]) * len(ShortOutcome._fields)
    short = {"kind": b"done", "ms": head["short_keep_ms"]}
    outcomes = [short | block for block in _blocks(ShortOutcome, rest[:cut])]
    return outcomes + list(_blocks(FullOutcome, rest[cut:]))


def enqueued_in(args: list[bytes]) -> list[bytes]:
    """Return the ids of the jobs that a call of `enqueue` carries."""
    head, rest = _head(EnqueueHead, args)
    return [
        block["id"] for block in _blocks(FreshJob if head["form"] == b"fresh" else NewJob, rest)
    ]


def claimed_in(args: list[bytes], reply: Any) -> tuple[bytes, list[bytes]]:
    """Return the token of a claim, and the ids of the jobs that it took."""
    head, _ = _head(ClaimHead, args)
    _, claimed = _head(ClaimReply, reply)
    return head["token"], [block["id"] for block in _blocks(Claimed, claimed)]


def settled_in(args: list[bytes], reply: Any) -> Iterator[tuple[bytes, bytes, str, bool]]:
    """Yield for each outcome of a call: the job's id, the token, the kind, whether it was kept."""
    lost = set(reply)
    for place, outcome in enumerate(_outcomes(args), 1):
        yield outcome["id"], outcome["token"], outcome["kind"].decode(), place not in lost
