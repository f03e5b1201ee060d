"""
Fourth stage: record how an attempt ended and give up its claim, in one atomic step.

Outcomes gather while an earlier call is under way and go out together. A job counts as settled
only when Redis has answered; until then its lease is renewed, and dying leaves it claimed, so
that it runs again. That is why jobs run at least once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import structlog
from pydantic_core import PydanticSerializationError, to_json
from redis.exceptions import ResponseError

from runner.broker import keys
from runner.broker.script_connection import ScriptWire
from runner.broker.scripts import SETTLE
from runner.client import blocking_twin
from runner.codec import Envelope, ErrorRecord, encode_result
from runner.errors import CodecError
from runner.worker.outcome import Aborted, Dead, Done, Failed, Outcome, Released, Retrying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Patience
    from runner.worker.attempt import Held
    from runner.worker.claim import Claim

_log = structlog.get_logger("runner.settle")

_FOR_EVER_MS = -1
_CHUNK = 500
_NO_ATTEMPT = b'{"t":null,'
_NONE_SHORT = (0, 0)
"""The script's count of outcomes that are told in short, and how long their results are kept."""


@dataclass(slots=True)
class Ended:
    """
    An attempt that is over: its claim, what it was, and its outcome. Times in Unix ms.

    envelope: None if the body could not be read. keep_result_s: None for ever, 0 not at all.
    """

    claim: Claim
    envelope: Envelope | None
    outcome: Outcome
    keep_result_s: float | None
    started_ms: int
    finished_ms: int
    held: Held


ResultWriter = Callable[[Ended, str], bytes]
"""The result's bytes, for an attempt and its queue's name; empty if it has none."""


class Settler:
    """Settles attempts of one queue for one worker."""

    def __init__(
        self,
        redis: Redis,
        queue_key: str,
        *,
        patience: Patience,
        on_settled: Callable[[Ended, bool], None],
        write_plain: ResultWriter | None = None,
    ) -> None:
        """
        `on_settled(ended, kept)` is told of each; *kept* is False where the claim was lost.

        write_plain: writes the results of plain arq functions, and of jobs that never ran.
        """
        self._write: ResultWriter = _result
        if write_plain is not None:
            self._write = partial(_result_by_kind, write_plain)
        self._redis = redis
        self._script = ScriptWire(redis, SETTLE)
        self._queue_key = queue_key
        self._queue = keys.queue_of(queue_key)
        self._patience = patience
        self._on_settled = on_settled
        self._waiting: list[Ended] = []
        self._under_way: list[Ended] = []
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def pending(self) -> int:
        """Outcomes that Redis has not answered for yet."""
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
                batch = self._waiting[:_CHUNK]
                del self._waiting[:_CHUNK]
                self._under_way = batch
                await self._settle(batch)
                self._under_way = []
            self._empty.set()

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()

    async def offer(self, claims: Sequence[Claim]) -> None:
        """
        Let whoever claims them have jobs that still run here, uncharged; or else settle them here.

        Raises:
            RedisError: Redis did not take it; nothing is changed.
        """
        args: list[Any] = [self._queue, keys.BATCH_TTL_S, *_NONE_SHORT]
        for claim in claims:
            args += ["offer", claim.key, claim.token, 0, "", "", claim.attempts_spent, ""]
        await self._redis.eval(SETTLE, 1, self._queue_key, *args)  # type: ignore[misc]  # redis-py's own hints: sync or async

    async def unclaim(self, claims: Sequence[Claim]) -> None:
        """
        Give back *claims* that were not started, due as they were; waits while Redis is away.

        A claim that is lost by now is another worker's, and stays so.
        """
        args: list[Any] = [self._queue, keys.BATCH_TTL_S, *_NONE_SHORT]
        for claim in claims:
            args += _unclaimed(claim)
        await self._patience.call(lambda: self._script(self._queue_key, args))

    def settle_from_outside(self, held: Sequence[Held], unstarted: Sequence[Claim] = ()) -> int:
        """
        Settle what is put, and give back the rest of *held*, and *unstarted*; how many that were.

        For another thread than the event loop's: over a connection of its own, which blocks.

        Raises:
            RedisError: Redis did not take it; the leases lapse instead.
        """
        ended = [*self._under_way, *self._waiting]
        over = {one.held for one in ended}
        back = [one.claim for one in held if one not in over]
        args, _ = self._told(ended)
        for claim in back:
            args += ["release", claim.key, claim.token, 0, "", "", claim.attempts_spent, ""]
        for claim in unstarted:
            args += _unclaimed(claim)
        if ended or back or unstarted:
            with blocking_twin(self._redis) as redis:
                redis.eval(SETTLE, 1, self._queue_key, *args)
        return len(back) + len(unstarted)

    async def _settle(self, batch: list[Ended]) -> None:
        args, batch = self._told(batch)
        tokens = [ended.claim.token for ended in batch]
        sent_before = self._script.sent
        try:
            lost: list[int] = await self._patience.call(lambda: self._script(self._queue_key, args))
        except ResponseError as error:
            await self._settle_one_by_one(batch, error)
            return
        # Redis may have settled all of them at the first of several tries, and nobody heard.
        heard_at_once = self._script.sent == sent_before + 1
        gone = set(lost)
        for position, (ended, token) in enumerate(zip(batch, tokens, strict=True), 1):
            if position in gone and ended.claim.token != token:
                self.put(ended)  # the lease had lapsed, and this worker claimed the job anew
            else:
                self._on_settled(ended, position not in gone or not heard_at_once)

    def _told(self, batch: Sequence[Ended]) -> tuple[list[Any], list[Ended]]:
        """The script's arguments for *batch*, and *batch* in the order in which they tell of it."""
        keep_s = batch[0].keep_result_s if batch else None
        short: list[Ended] = []
        others: list[Ended] = []
        for ended in batch:
            (short if _is_told_in_short(ended, keep_s) else others).append(ended)
        ms = _keep_ms(keep_s)
        args: list[Any] = [self._queue, keys.BATCH_TTL_S, len(short), ms]
        for ended in short:
            claim = ended.claim
            args += (claim.key, claim.token, self._write(ended, self._queue) if ms else b"")
        for ended in others:
            args += _fields(ended, self._queue, self._write)
        return args, short + others

    async def _settle_one_by_one(self, batch: list[Ended], error: ResponseError) -> None:
        """One job whose keys are not what they should be must not hold up the others."""
        if len(batch) > 1:
            for ended in batch:
                await self._settle([ended])
            return
        job_id = batch[0].claim.job_id
        _log.error("cannot be settled, its lease will lapse", job_id=job_id, error=str(error))
        self._on_settled(batch[0], False)  # noqa: FBT003 -- as the callback has it


def _is_told_in_short(ended: Ended, keep_s: float | None) -> bool:
    """Whether there is no more to tell than its result, which is to be kept for *keep_s*."""
    envelope = ended.envelope
    return (
        type(ended.outcome) is Done
        and ended.keep_result_s == keep_s
        and envelope is not None
        and envelope.batch_id is None
    )


def _fields(ended: Ended, queue: str, write: ResultWriter) -> list[Any]:
    """The eight fields of one outcome in `settle.lua`."""
    claim, outcome, envelope = ended.claim, ended.outcome, ended.envelope
    batch = (envelope and envelope.batch_id) or ""
    spent = claim.attempts_spent
    match outcome:
        case Done():
            kind, ms, entry = "done", _keep_ms(ended.keep_result_s), b""
        case Retrying(delay_s=delay_s, error=error):
            kind, ms, entry, spent = "retry", round(delay_s * 1000), _entry(ended, error), spent + 1
        case Dead(error=error):
            kind, ms, entry = "dead", _keep_ms(ended.keep_result_s), _entry(ended, error)
            # Poison and what cannot be read never ran: no attempt is charged.
            spent += 1 if ended.held.policy is not None else 0
        case Released(delay_s=delay_s, unknown_name=name):
            kind, ms, entry = "release", round(delay_s * 1000), (name or "").encode()
        case Aborted():
            kind, ms, entry = "abort", _keep_ms(ended.keep_result_s), b""
        case Failed():
            kind, ms, entry = "fail", _keep_ms(ended.keep_result_s), b""
    return [
        kind,
        claim.key,
        claim.token,
        ms,
        write(ended, queue) if ms else b"",
        entry,
        spent,
        batch,
    ]


def _unclaimed(claim: Claim) -> list[Any]:
    due = f"{claim.due_ms:.4f}"
    return ["unclaim", claim.key, claim.token, due, "", "", claim.attempts_spent, ""]


def _keep_ms(keep_s: float | None) -> int:
    return _FOR_EVER_MS if keep_s is None else round(keep_s * 1000)


def _entry(ended: Ended, error: ErrorRecord) -> bytes:
    """One failed attempt in the job's history."""
    entry: dict[str, Any] = {
        "attempt": ended.claim.attempts_spent + 1,
        "started_ms": ended.started_ms,
        "failed_ms": ended.finished_ms,
        "error": error.error,
        "message": error.message,
        "traceback": error.traceback,
        "worker": ended.claim.worker,
    }
    if ended.held.lines:
        entry["log"] = list(ended.held.lines)
    return to_json(entry)


def _result_by_kind(write_plain: ResultWriter, ended: Ended, queue: str) -> bytes:
    policy = ended.held.policy
    ours = policy is not None and policy.plain is None
    return _result(ended, queue) if ours else write_plain(ended, queue)


def _result(ended: Ended, queue: str) -> bytes:
    match ended.outcome:
        case Done(result=result):
            if not ended.held.lines and (written := _beside_body(ended, queue, result)):
                return written
            success = True
        case Dead(error=error) | Aborted(error=error) | Failed(error=error):
            success, result = False, error
        case _:
            return b""
    try:
        return encode_result(_result_fields(ended, queue, result, success=success))
    except CodecError as problem:
        name = ended.envelope.name if ended.envelope else "?"
        _log.error("result cannot be kept", job_id=ended.claim.job_id, job=name, error=str(problem))
        record = ErrorRecord("CodecError", str(problem), "")
        return encode_result(_result_fields(ended, queue, record, success=False))


def _beside_body(ended: Ended, queue: str, result: Any) -> bytes | None:
    """
    The same of a job that is done, written around its body as it stands: half the time.

    None if the body is not one of ours, which begins with no attempt, or *result* has no JSON form.
    """
    claim = ended.claim
    body = claim.body
    if body is None or not (body.startswith(_NO_ATTEMPT) and body.endswith(b"}")):
        return None
    try:
        returned = to_json(result)
    except (PydanticSerializationError, ValueError):
        return None
    return b'{"t":%d,%b,"s":true,"r":%b,"st":%d,"ft":%d,"q":%b,"id":%b,"w":%b,"due":%d}' % (
        claim.attempts_spent + 1,
        body[len(_NO_ATTEMPT) : -1],
        returned,
        ended.started_ms,
        ended.finished_ms,
        _json(keys.queue_key(queue)),
        to_json(claim.job_id),
        _json(claim.worker),
        claim.due_ms,
    )


@lru_cache(maxsize=256)
def _json(text: str) -> bytes:
    return to_json(text)


def _result_fields(ended: Ended, queue: str, result: Any, *, success: bool) -> dict[str, Any]:
    """arq's, and beside them: the worker, when the job came due, and what it logged."""
    claim, envelope = ended.claim, ended.envelope or Envelope("<unreadable>", [], {}, 0)
    fields: dict[str, Any] = {
        "t": claim.attempts_spent + 1,
        "f": envelope.name,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
        "s": success,
        "r": result,
        "st": ended.started_ms,
        "ft": ended.finished_ms,
        "q": keys.queue_key(queue),
        "id": claim.job_id,
        "w": claim.worker,
        "due": int(claim.due_ms),
    }
    if ended.held.lines:
        fields["log"] = list(ended.held.lines)
    return fields
