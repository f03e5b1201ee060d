"""
Fourth stage: record how an attempt ended and give up its claim, in one atomic step.

Outcomes gather while an earlier call is under way, and go out together. A job counts as settled
once Redis has answered. Until then its lease is renewed; if the worker dies, the job is still
claimed, and runs again. That is why jobs run at least once.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import ResponseError

from runner.broker import keys
from runner.broker.blocking import blocking_twin
from runner.broker.chunks import MOST, MOST_BYTES, chunks
from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import SETTLE
from runner.broker.scripts.fields import FullOutcome, SettleHead
from runner.checks import seconds
from runner.codec import ErrorRecord, encode_shown, text_of
from runner.errors import CodecError
from runner.passing import passed_on
from runner.worker.outcome import (
    Aborted,
    Dead,
    Done,
    Expired,
    Failed,
    Parked,
    Released,
    Retrying,
)
from runner.worker.results import (
    ResultWriter,
    history_entry,
    result_by_kind,
    result_of,
    too_large,
    without_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.worker.claim import Claim
    from runner.worker.held import Ended, Held

_log = structlog.get_logger("runner.settle")

_FOR_EVER_MS = -1


class Settler:
    """Settles attempts of one queue for one worker."""

    def __init__(
        self,
        redis: Redis,
        queue_key: str,
        *,
        outage: Outage,
        write_plain: ResultWriter | None = None,
        max_result_bytes: float = math.inf,
        keep_done: int = 0,
    ) -> None:
        """
        Settle for the worker whose jobs wait in *queue_key*.

        write_plain: writes results of plain arq functions, and of jobs that cannot be read.
        keep_done: how many jobs that have ended are listed; 0 for none.
        """
        self._write: ResultWriter = result_of
        if write_plain is not None:
            self._write = partial(result_by_kind, write_plain)
        self._max_result_bytes = max_result_bytes
        self._list = _EndedList(keep_done)
        self._redis = redis
        self._script = ScriptConnection(redis, SETTLE)
        self._queue_key = queue_key
        own = keys.of(redis)
        self._base, self._queue = own.base, own.queue_of(queue_key)
        self._outage = outage
        self.on_settled: Callable[[Ended, bool], None] = lambda _ended, _kept: None
        """Called with each outcome once Redis has answered for it; False: the claim was lost."""
        self._waiting: list[Ended] = []
        self._under_way: list[Ended] = []
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def pending(self) -> int:
        """How many outcomes Redis has not answered for yet."""
        return len(self._waiting) + len(self._under_way)

    def put(self, ended: Ended) -> None:
        """Settle *ended* soon. Returns at once; `drained` waits."""
        if not self._waiting:
            self._arrived.set()
            self._empty.clear()
        self._waiting.append(ended)

    async def drained(self) -> None:
        """Return when Redis has answered for everything put so far."""
        await self._empty.wait()

    async def run(self) -> None:
        """Settle what is put, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch = self._waiting[:MOST]
                del self._waiting[:MOST]
                self._under_way = batch
                await self._settle(batch)
                self._under_way = []
            self._empty.set()

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()

    async def offer(self, claims: Sequence[Claim]) -> None:
        """
        Let other workers claim jobs that still run here, at no cost; until then they settle here.

        Raises:
            RedisError: Redis did not take it, or not all of it.
        """
        for args in self._in_chunks([_kept("offer", claim) for claim in claims]):
            await self._redis.eval(SETTLE, 2, self._queue_key, self._base, *args)  # type: ignore[misc]  # redis-py's own hints: sync or async

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """
        Give back *claims* that were not started, due as before; wait while Redis is away.

        A claim that another worker has taken over is left alone.
        """
        for args in self._in_chunks([_kept("unclaim", claim) for claim in claims]):
            await self._outage.call(partial(self._script, self._queue_key, args))

    def _in_chunks(self, outcomes: Sequence[FullOutcome]) -> Iterator[list[Any]]:
        """Yield the arguments of one call after the other."""
        for chunk in chunks(outcomes):
            head = SettleHead(self._queue, keys.BATCH_TTL_S)
            yield [*head, *chain.from_iterable(chunk)]

    def settle_from_outside(self, held: Sequence[Held], unstarted: Sequence[Claim] = ()) -> int:
        """
        Settle all outcomes, give back the rest of *held* and *unstarted*; return how many.

        For a thread other than the event loop's: it blocks, on a connection of its own.

        Raises:
            RedisError: Redis did not take it; the leases lapse instead.
        """
        ended = [*self._under_way, *self._waiting]
        has_outcome = {one.held for one in ended}
        back = [_kept("release", one.claim) for one in held if one not in has_outcome]
        back += [_kept("unclaim", claim) for claim in unstarted]
        calls: list[list[Any]] = []
        for chunk in chunks(ended):
            left = [*chunk]
            while left:
                args, _, left = self._arguments(left)
                calls.append(args)
        calls += self._in_chunks(back)
        if calls:
            with blocking_twin(self._redis) as redis:
                for args in calls:
                    redis.eval(SETTLE, 2, self._queue_key, self._base, *args)
        return len(back)

    async def _settle(self, batch: list[Ended]) -> None:
        while batch:
            batch = await self._settle_some(batch)

    async def _settle_some(self, batch: Sequence[Ended]) -> list[Ended]:
        """Settle the first of *batch*, as many as fit into one call; return the others."""
        args, batch, left = self._arguments(batch)
        tokens = [ended.claim.token for ended in batch]
        sent_before = self._script.sent
        try:
            lost: list[int] = await self._outage.call(lambda: self._script(self._queue_key, args))
        except (ResponseError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Redis refuses one of them, or it cannot be packed.
            await self._settle_one_by_one(batch, error)
            return left
        # After several tries "lost" proves nothing: Redis may have settled them at the first.
        answered_at_once = self._script.sent == sent_before + 1
        gone = set(lost)
        for position, (ended, token) in enumerate(zip(batch, tokens, strict=True), 1):
            if position in gone and ended.claim.token != token:
                self.put(ended)  # the lease had lapsed, and this worker claimed the job again
            else:
                self.on_settled(ended, position not in gone or not answered_at_once)
        return left

    def _arguments(self, batch: Sequence[Ended]) -> tuple[list[Any], list[Ended], list[Ended]]:
        """
        Return the script's arguments for some of *batch*, these in order, and those left.

        What is written of them fits into one call, or they are a single one.
        """
        keep_s = _kept_s(batch[0].keep_result_s) if batch else None
        short: list[Ended] = []
        others: list[Ended] = []
        args: list[Any] = []
        ms = _keep_ms(keep_s)
        room = MOST_BYTES
        left: list[Ended] = []
        for place, ended in enumerate(batch):
            if room <= 0:
                left = [*batch[place:]]
                break
            if not _fits_in_short(ended, keep_s):
                others.append(ended)
                continue
            claim = ended.claim
            try:
                result = self._result(ended) if ms else b""
            except Exception as error:  # noqa: BLE001 -- what a job returned may be anything
                others.append(_buried(ended, error))
                continue
            # As `ShortOutcome` has them: to name the fields costs 1 % of a job.
            args += (claim.key, claim.token, result)
            room -= len(result)
            short.append(ended)
        keep_done = self._list.for_call(len(batch))
        args[:0] = SettleHead(self._queue, keys.BATCH_TTL_S, len(short), ms, keep_done)
        for place, ended in enumerate(others):
            if room <= 0 and place + len(short):
                left = [*others[place:], *left]
                del others[place:]
                break
            try:
                outcome = _outcome(ended, self._result)
                self._refuse_large(outcome)
            except Exception as error:  # noqa: BLE001 -- likewise
                others[place] = _buried(ended, error)
                outcome = _outcome(others[place], self._result)
            args += outcome
            room -= len(outcome.result) + len(outcome.entry)
        return args, short + others, left

    def _refuse_large(self, outcome: FullOutcome) -> None:
        if outcome.kind == "done" and len(outcome.entry) > self._max_result_bytes:
            raise CodecError(
                f"the result has {len(outcome.entry):,} bytes, more than max_result_bytes, and "
                "other jobs of its flow need it: store what is large elsewhere"
            )

    def _result(self, ended: Ended) -> bytes:
        try:
            result = self._write(ended, self._queue_key)
        except Exception as error:
            if ended.held.is_ours:
                raise
            # As in arq, a plain function has ended, whatever it returned.
            return without_form(ended, self._queue_key, error)
        if len(result) > self._max_result_bytes:
            return too_large(ended, self._queue_key, result)
        return result

    async def _settle_one_by_one(self, batch: list[Ended], error: Exception) -> None:
        """
        Settle each alone: one that Redis refuses must not hold up the others.

        That one is buried with the reason. If Redis refuses this, too, its lease lapses.
        """
        if len(batch) > 1:
            for ended in batch:
                await self._settle([ended])
            return
        [ended] = batch
        if not ended.is_last_try:
            buried = _buried(ended, error)
            buried.is_last_try = True
            await self._settle([buried])
            return
        job_id = ended.claim.job_id
        _log.error("cannot be settled, its lease will lapse", job_id=job_id, error=text_of(error))
        self.on_settled(ended, False)  # noqa: FBT003 -- as the callback has it


class _EndedList:
    """How many jobs that have ended stay listed; trimmed once a hundredth more have come."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._untrimmed = 0

    def for_call(self, jobs: int) -> int | str:
        """Return what a call for so many jobs says: '' if it leaves the list untrimmed."""
        self._untrimmed += jobs
        if self._untrimmed * 100 < self._keep:
            return ""
        self._untrimmed = 0
        return self._keep


def _buried(ended: Ended, error: Exception) -> Ended:
    """Return *ended* as dead, because its own outcome cannot be recorded."""
    record = ErrorRecord.of(error)
    name = ended.envelope.name if ended.envelope else "?"
    reason = f"{record.error}: {record.message}"
    _log.error("outcome cannot be recorded", job_id=ended.claim.job_id, job=name, error=reason)
    outcome = Dead(ErrorRecord(record.error, f"its outcome cannot be recorded: {reason}", ""))
    return replace(ended, outcome=outcome, keep_result_s=_kept_s(ended.keep_result_s))


def _kept_s(keep_s: object) -> float | None:
    """Return *keep_s*, or for ever if it is no time."""
    return None if seconds("keep_result_s", keep_s) else keep_s  # type: ignore[return-value]


def _fits_in_short(ended: Ended, keep_s: float | None) -> bool:
    """Whether all there is to write is a result that is kept for *keep_s*."""
    envelope = ended.envelope
    return (
        type(ended.outcome) is Done
        and ended.keep_result_s == keep_s
        and envelope is not None
        and envelope.batch_id is None
        and ended.held.units is None
    )


def _outcome(ended: Ended, write: Callable[[Ended], bytes]) -> FullOutcome:
    """Return what is sent of one outcome in full."""
    claim, outcome, envelope = ended.claim, ended.outcome, ended.envelope
    batch = (envelope and envelope.batch_id) or ""
    spent = claim.attempts_spent
    match outcome:
        case Done():
            kind, ms, entry = "done", _keep_ms(ended.keep_result_s), b""
        case Retrying(delay_s=delay_s, error=error):
            kind, ms, entry = "retry", round(delay_s * 1000), history_entry(ended, error)
            spent += 1
        case Dead(error=error):
            kind, ms, entry = "dead", _keep_ms(ended.keep_result_s), history_entry(ended, error)
            # Poison and unreadable jobs never ran: no attempt is charged.
            spent += 1 if ended.held.policy is not None else 0
        case Released(delay_s=delay_s, holds_lane=holds_lane):
            kind, ms, entry = "release", round(delay_s * 1000), b"lane" if holds_lane else b""
        case Parked(label=label):
            due_ms = f"{claim.due_ms:.4f}"
            label_bytes = label.encode("utf-8", "backslashreplace")
            return FullOutcome(
                "park", claim.key, claim.token, due_ms, entry=label_bytes, spent=spent
            )
        case Aborted():
            kind, ms, entry = "abort", _keep_ms(ended.keep_result_s), b""
        case Expired(error=error):
            kind, ms = "expire", _keep_ms(ended.keep_result_s)
            entry = encode_shown(error) if batch else b""
        case Failed():
            kind, ms, entry = "fail", _keep_ms(ended.keep_result_s), b""
    result = write(ended) if ms else b""
    if kind == "done" and envelope is not None and envelope.passes is not None:
        entry = passed_on(outcome.result, envelope.passes)  # type: ignore[union-attr]
    units = "" if ended.held.units is None else f"{ended.held.units:.6f}"
    return FullOutcome(kind, claim.key, claim.token, ms, result, entry, spent, batch, units)


def _kept(kind: str, claim: Claim) -> FullOutcome:
    """Return the outcome of a job that goes back as it was."""
    return FullOutcome(kind, claim.key, claim.token, spent=claim.attempts_spent)


def _keep_ms(keep_s: float | None) -> int:
    return _FOR_EVER_MS if keep_s is None else round(keep_s * 1000)
