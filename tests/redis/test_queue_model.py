# ruff: noqa: D102 -- a rule's name says what it does, and the model what it promises
"""The Lua scripts against a model: whatever happens in whatever order, a job is in one state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from runner.broker import keys, scripts
from runner.broker.scripts.fields import (
    AdminHead,
    AdminJob,
    ClaimHead,
    ClaimReply,
    EnqueueHead,
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

if TYPE_CHECKING:
    from hypothesis.stateful import MultipleResults

    from tests.redis_server import RedisServer

QUEUE = "model"
KEY = keys.ARQ.queue_key(QUEUE)
BATCH = "b1"
FAR_MS = 10**9
LEASE_MS = 10**7
"""So long that no lease lapses by itself: `lapse` says when one does."""

HELD = frozenset(("ahead", "running", "lapsed", "lapsed ahead", "offered"))
"""States in which a worker has a token that fits."""

HEAD = len(ClaimReply._fields)
LAPSED = frozenset(("lapsed", "lapsed ahead"))
FREE = frozenset(("ready", "offered"))
STOCK = {"lapsed": "stock", "lapsed ahead": "stock ahead"}
"""A stock arq worker took the lapsed job; our token is noted until its worker hears of that."""

STARTED = {"ahead": "running", "lapsed ahead": "lapsed", "stock ahead": "stock"}
"""A start is noted whoever has the job by now: it did start."""


@dataclass
class Model:
    """What a job should look like in Redis."""

    state: str
    token: str = ""
    spent: int = 0
    crashes: int = 0
    retrying: bool = False
    failures: int = 0
    """Entries of its history."""
    due: float = 0.0
    """When it was due before it was claimed, and is again when it goes back."""
    suspect: bool = False
    """It was lost with its worker, and waits and runs apart from the others."""
    batch: str = BATCH
    aborting: bool = False
    """Somebody asked to abort it while it ran, and no worker has heard of it."""

    @property
    def waits_apart(self) -> bool:
        """Whether it waits among the suspects, and not in the queue."""
        return self.suspect and self.state in {"ready", "later", "offered"}


def _parts(mark: str) -> tuple[str, bool, bool]:
    """Return the token of a mark, whether the job runs alone, and whether it is offered."""
    token, _, *flags = mark.split("|")
    return token, "alone" in flags, "offered" in flags


class QueueMachine(RuleBasedStateMachine):
    """Enqueues, claims, settles, loses and administers jobs, and compares after each step."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.redis: Any = redis.Redis.from_url(self.url)  # its hints: sync or async
        self.redis.flushdb()
        self.jobs: dict[str, Model] = {}
        self.tokens = self.fresh = 0
        self.late: set[str] = set()
        """Workers whose leases have all lapsed."""
        self.over: dict[str, int] = {"done": 0, "aborted": 0, "failed": 0}
        self.kept: dict[str, tuple[int, int]] = {}
        """Of jobs that left a result: entries of the history, and ms that both are kept."""

    ids = Bundle("ids")

    def hash(self, key: str) -> dict[bytes, bytes]:
        held: dict[bytes, bytes] = self.redis.hgetall(key)
        return held

    def eval(self, script: str, *args: Any) -> Any:
        return self.redis.eval(script, 2, KEY, keys.ARQ.base, *args)

    @rule(target=ids, number=st.integers(0, 11), later=st.booleans())
    def enqueue(self, number: int, later: bool) -> str:  # noqa: FBT001 -- hypothesis draws it
        job_id = f"{number:032x}"  # as random ones: those of a caller change when a job dies
        body = json.dumps({"f": "x", "a": [], "k": {}, "et": number, "t": None, "b": BATCH})
        unlike = json.dumps({"f": "y", "a": [], "k": {}, "et": number, "t": None, "b": BATCH})
        known = self.jobs.get(job_id)
        text = unlike if known else body
        delay = FAR_MS if later else ""
        job = NewJob(job_id, text.encode(), delay_ms=delay, mode="unique", batch=BATCH)
        (created,) = self.eval(scripts.ENQUEUE, *EnqueueHead(1000, QUEUE), *job)
        assert created == (0 if known else 1)
        if not known:
            self.kept.pop(job_id, None)
            self.jobs[job_id] = Model("later" if later else "ready")
        return job_id

    @rule(target=ids, count=st.integers(1, 3), known=ids, repeated=st.booleans())
    def enqueue_fresh(self, count: int, known: str, repeated: bool) -> MultipleResults[str]:  # noqa: FBT001
        """Enqueue several with new ids, or repeat the last such call."""
        job_ids = [f"{100 + self.fresh + n:032x}" for n in range(count)]
        self.fresh += count
        body = json.dumps({"f": "x", "a": [], "k": {}, "et": 1, "t": None})
        is_there = repeated and known in self.jobs
        sent = [*job_ids, known] if is_there else job_ids
        jobs = chain.from_iterable(FreshJob(job_id, body.encode()) for job_id in sent)
        head = EnqueueHead(1000, QUEUE, "fresh")
        assert self.eval(scripts.ENQUEUE, *head, *jobs) == (0 if is_there else 1)
        if is_there:
            return multiple()
        self.jobs |= {job_id: Model("ready", batch="") for job_id in job_ids}
        return multiple(*job_ids)

    @rule(limit=st.integers(1, 5), alone=st.booleans())
    def claim(self, limit: int, alone: bool) -> None:  # noqa: FBT001
        self.tokens += 1
        worker = f"w{self.tokens}"
        token, mode = f"{worker}:1", "suspect" if alone else ""
        reply = self.eval(scripts.CLAIM, *ClaimHead(limit, LEASE_MS, token, worker, mode))
        head = ClaimReply(*reply[:HEAD])
        assert {worker_id.decode() for worker_id in head.lapsed} <= self.late
        assert bool(head.lapsed) == bool(self.late)
        taken = [reply[at].decode() for at in range(HEAD, len(reply), 3)]
        if head.lapsed:
            assert not taken
            for lost in head.lapsed:
                self.recover(lost.decode())
            return
        due = {i for i, j in self.jobs.items() if j.state in FREE and j.suspect == alone}
        assert set(taken) <= due
        assert len(taken) == min(1 if alone else limit, len(due))
        odd = [head.extras[at : at + 5] for at in range(0, len(head.extras), 5)]
        more = {place: rest for place, *rest in odd}
        for place, job_id in enumerate(taken, 1):
            job = self.jobs[job_id]
            spent, crashes, aborted, before = more.pop(place, (0, 0, 0, b""))
            assert (spent, crashes, aborted) == (job.spent, job.crashes, job.aborting)
            assert before == b""
            job.state, job.token, job.retrying = "ahead", token, False
            job.aborting = False
            job.due = float(reply[HEAD + 3 * place - 1])
        assert not more

    def recover(self, worker: str) -> None:
        """Put back what a lost worker held, as its claimer does."""
        self.late.discard(worker)
        held = [i for i, job in self.jobs.items() if job.token.startswith(f"{worker}:")]
        lost = [i for i in held if self.jobs[i].state in LAPSED]
        head = RecoverHead(finished=worker)
        assert self.eval(scripts.RECOVER, *head, *held) == len(lost)
        for job_id in lost:
            job = self.jobs[job_id]
            if job.state == "lapsed":
                job.crashes += job.suspect or not job.crashes
                job.suspect = True
            job.state, job.token, job.retrying = "ready", "", job.spent > 0
            self.is_back(job_id, job)

    def is_back(self, job_id: str, job: Model) -> None:
        place = KEY + ":suspects" if job.suspect else KEY
        assert self.redis.zscore(place, job_id) == pytest.approx(job.due)

    @rule(job_id=ids, stale=st.booleans())
    def start(self, job_id: str, stale: bool) -> None:  # noqa: FBT001
        job = self.jobs.get(job_id)
        token = "stale" if stale or job is None or not job.token else job.token
        waits = job is not None and job.state in STARTED and token == job.token
        assert self.eval(scripts.START, *StartHead(token), job_id) == (1 if waits else 0)
        if waits and job is not None:
            job.state = STARTED[job.state]

    @rule(job_id=ids, stale=st.booleans())
    def unclaim(self, job_id: str, stale: bool) -> None:  # noqa: FBT001
        job = self.jobs.get(job_id)
        token = "stale" if stale or job is None or not job.token else job.token
        spent = job.spent if job else 0
        batch = job.batch if job else ""
        outcome = FullOutcome("unclaim", job_id, token, spent=spent, batch=batch)
        lost = self.eval(scripts.SETTLE, *SettleHead(QUEUE, 1000), *outcome)
        holds = job is not None and job.state in HELD and token == job.token
        assert lost == ([] if holds else [1])
        self.give_up(job_id, token)
        if job is not None and holds:
            job.state, job.token, job.retrying = "ready", "", job.spent > 0
            self.is_back(job_id, job)

    @rule(
        job_id=ids,
        kind=st.sampled_from(["done", "retry", "dead", "release", "abort", "fail", "offer"]),
        stale=st.booleans(),
        later=st.booleans(),
        plain=st.booleans(),
        keep_ms=st.sampled_from([-1, 0, FAR_MS]),
    )
    def settle(
        self, *, job_id: str, kind: str, stale: bool, later: bool, plain: bool, keep_ms: int
    ) -> None:
        job = self.jobs.get(job_id)
        token = "stale" if stale or job is None or not job.token else job.token
        spent = (job.spent if job else 0) + (kind in {"retry", "dead"})
        delay = FAR_MS if later else 0
        is_over = kind in {"done", "abort", "fail"}
        ms = delay if kind in {"retry", "release"} else keep_ms if is_over else 0
        result = b"{}" if is_over and ms else b""
        entry = b"{}" if kind in {"retry", "dead"} else b""
        batch = job.batch if job else ""
        # Short if possible; otherwise full, after a short one that nobody holds.
        in_short = plain and kind == "done" and not batch
        beside = [1] if plain and not in_short else []
        if in_short:
            sent: list[Any] = [
                *SettleHead(QUEUE, 1000, 1, ms),
                *ShortOutcome(job_id, token, result),
            ]
        else:
            full = FullOutcome(kind, job_id, token, ms, result, entry, spent, batch)
            first: list[Any] = [*ShortOutcome("x", "?", b"{}")] if beside else []
            sent = [*SettleHead(QUEUE, 1000, len(beside), -1), *first, *full]
        lost = self.eval(scripts.SETTLE, *sent)
        holds = job is not None and job.state in HELD and token == job.token
        assert lost == (beside if holds else [*beside, len(beside) + 1])
        if job is None or not holds:
            self.give_up(job_id, token)
            return
        if kind == "offer":
            job.state = "offered"
            self.is_back(job_id, job)
            return
        job.token = ""
        job.failures += kind in {"retry", "dead"}
        if is_over:
            ending = {"done": "done", "abort": "aborted", "fail": "failed"}[kind]
            self.over[ending] += job.batch == BATCH
            del self.jobs[job_id]
            if keep_ms:
                self.kept[job_id] = (job.failures, keep_ms)
        elif kind == "dead":
            job.state, job.spent, job.aborting = "dead", spent, False
            job.suspect = False
        else:
            job.state, job.spent = ("later" if later else "ready"), spent
            job.retrying = kind == "retry" or spent > 0
            if kind == "release" and not later:
                self.is_back(job_id, job)

    @rule(job_id=ids)
    def lapse(self, job_id: str) -> None:
        """End the lease of a running job without its worker."""
        job = self.jobs.get(job_id)
        if job is not None and job.state in {"ahead", "running"}:
            self.redis.zadd(KEY, {job_id: 1})
            self.redis.delete(keys.ARQ.in_progress_prefix + job_id)
            worker = job.token.split(":")[0]
            self.late.add(worker)
            self.redis.zadd(KEY + ":holders", {worker: 1})
            self.redis.hset(KEY + ":late", worker, "1|1")
            job.state = "lapsed" if job.state == "running" else "lapsed ahead"

    def give_up(self, job_id: str, token: str) -> None:
        """Let a worker of ours learn that a stock one has its job."""
        job = self.jobs.get(job_id)
        if job is not None and job.state in STOCK.values() and token == job.token:
            job.state, job.token = "stock", ""

    @rule(job_id=ids)
    def stock_worker_takes(self, job_id: str) -> None:
        """Let a stock worker, which knows no tokens, claim a job that is due."""
        job = self.jobs.get(job_id)
        if job is not None and job.state in STOCK:
            self.redis.set(keys.ARQ.in_progress_prefix + job_id, "1")
            job.state = STOCK[job.state]

    @rule(job_id=ids)
    def stock_worker_is_lost(self, job_id: str) -> None:
        """Let the stock worker's key lapse: the job is due as before."""
        job = self.jobs.get(job_id)
        if job is not None and job.state in STOCK.values():
            self.redis.delete(keys.ARQ.in_progress_prefix + job_id)
            lapsed = next(lapsed for lapsed, stock in STOCK.items() if stock == job.state)
            job.state = lapsed if job.token else "ready"

    @rule(job_id=ids, stale=st.booleans())
    def renew(self, job_id: str, stale: bool) -> None:  # noqa: FBT001
        job = self.jobs.get(job_id)
        token = "stale" if stale or job is None or not job.token else job.token
        lost, aborted = self.eval(
            scripts.RENEW, *RenewHead(LEASE_MS, token.split(":")[0]), *Lease(job_id, token)
        )
        holds = job is not None and job.state in HELD - {"offered"} and token == job.token
        # Its holder may still settle an offered job, and any worker may claim it: not extended.
        is_offered = job is not None and job.state == "offered" and token == job.token
        assert lost == ([] if holds or is_offered else [job_id.encode()])
        self.give_up(job_id, token)
        if holds and job is not None:
            self.late.discard(token.split(":")[0])
            job.state = "running"
            assert aborted == ([job_id.encode()] if job.aborting else [])
            job.aborting = False

    @rule(
        job_id=ids,
        action=st.sampled_from(["run", "bury", "delete", "reschedule", "abort"]),
        keep_ms=st.sampled_from([0, FAR_MS]),
    )
    def administer(self, job_id: str, action: str, keep_ms: int) -> None:
        due = self.redis.time()[0] * 1000 + FAR_MS
        head = AdminHead(action, QUEUE, 1000, due_ms=due, entry="{}", keep_ms=keep_ms)
        [state] = self.eval(scripts.ADMIN, *head, *AdminJob(job_id, "{}"))
        found = state.decode()
        job = self.jobs.get(job_id)
        if job is None:
            assert found == "gone"
            return
        if job.state in HELD or job.state in STOCK.values():
            assert found == "running"
            job.aborting |= action == "abort"
            return
        assert found == ("dead" if job.state == "dead" else "waiting")
        if action in {"run", "reschedule"}:
            if job.state == "dead":
                job.spent = job.crashes = 0
                job.suspect = False
            job.state = "ready" if action == "run" else "later"
        elif action == "bury" and job.state != "dead":
            job.state, job.retrying, job.failures = "dead", False, job.failures + 1
            job.aborting = job.suspect = False
        elif action == "delete" or (action == "abort" and job.state != "dead"):
            self.over["aborted"] += action == "abort" and job.batch == BATCH
            del self.jobs[job_id]
            if action == "abort" and keep_ms:
                self.kept[job_id] = (job.failures, keep_ms)

    @invariant()
    def redis_agrees(self) -> None:
        suspects = {i for i, job in self.jobs.items() if job.waits_apart}
        waiting = {i for i, job in self.jobs.items() if job.state != "dead"} - suspects
        held = {i: job for i, job in self.jobs.items() if job.token}
        dead = {i for i, job in self.jobs.items() if job.state == "dead"}
        assert {i.decode() for i in self.redis.zrange(KEY, 0, -1)} == waiting
        assert {i.decode() for i in self.redis.zrange(KEY + ":suspects", 0, -1)} == suspects
        assert {i.decode() for i in self.redis.zrange(KEY + ":dead", 0, -1)} == dead
        tokens = {i.decode(): t.decode() for i, t in self.hash(KEY + ":running").items()}
        marks = {i: (job.token, job.suspect, job.state == "offered") for i, job in held.items()}
        assert {i: _parts(mark) for i, mark in tokens.items()} == marks
        for job_id, job in held.items():
            is_known = not self.redis.sismember(keys.ARQ.unstarted_prefix + job.token, job_id)
            assert is_known == (job.state not in STARTED)
        retrying = {i.decode() for i in self.redis.zrange(KEY + ":retrying", 0, -1)}
        assert retrying == {i for i, job in self.jobs.items() if job.retrying}
        for job_id, job in self.jobs.items():
            assert self.redis.exists(keys.ARQ.job_prefix + job_id)
            assert int(self.redis.get(keys.ARQ.retry_prefix + job_id) or 0) == job.spent
            progress = self.redis.get(keys.ARQ.in_progress_prefix + job_id)
            marked = b"1" if job.state in STOCK.values() else None
            assert progress == (job.token.encode() if job.state in {"ahead", "running"} else marked)
            crashes = self.redis.hget(KEY + ":crashes", job_id) or b""
            assert len(crashes.split()) == job.crashes
        crashed = {job_id.decode() for job_id in self.hash(KEY + ":crashes")}
        assert crashed <= self.jobs.keys()
        for prefix in (keys.ARQ.retry_prefix, keys.ARQ.in_progress_prefix):
            left = {key.decode() for key in self.redis.keys(prefix + "*")}
            assert left <= {prefix + job_id for job_id in self.jobs}
        bodies = {key.decode() for key in self.redis.keys(keys.ARQ.job_prefix + "*")}
        assert bodies == {keys.ARQ.job_prefix + job_id for job_id in self.jobs}

    @invariant()
    def histories_live_as_long_as_jobs_and_results(self) -> None:
        expected = {job_id: (job.failures, -1) for job_id, job in self.jobs.items()} | self.kept
        found = {key.decode() for key in self.redis.keys(keys.ARQ.history_prefix + "*")}
        assert found == {
            keys.ARQ.history_prefix + job_id for job_id, (n, _) in expected.items() if n
        }
        for job_id, (failures, keep_ms) in expected.items():
            assert self.redis.llen(keys.ARQ.history_prefix + job_id) == failures
            left_ms = self.redis.pttl(keys.ARQ.history_prefix + job_id)
            assert not failures or (left_ms == -1) == (keep_ms == -1)
        results = {key.decode() for key in self.redis.keys(keys.ARQ.result_prefix + "*")}
        assert results == {keys.ARQ.result_prefix + job_id for job_id in self.kept}

    @invariant()
    def the_batch_adds_up(self) -> None:
        counts = {
            field.decode().rpartition("|")[2]: int(count)
            for field, count in self.hash(keys.ARQ.batch_prefix + BATCH).items()
        }
        of_batch = [job for job in self.jobs.values() if job.batch == BATCH]
        dead = sum(job.state == "dead" for job in of_batch)
        assert counts.get("total", 0) == len(of_batch) + sum(self.over.values())
        assert counts.get("dead", 0) == dead
        for field, count in self.over.items():
            assert counts.get(field, 0) == count

    def teardown(self) -> None:
        self.redis.close()


@pytest.mark.timeout(240)
def test_scripts_keep_every_job_in_one_state(redis_server: RedisServer) -> None:
    """Any order of enqueues, claims, outcomes, losses and actions agrees with the model."""
    machine = type("Machine", (QueueMachine,), {"url": redis_server.url})
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
