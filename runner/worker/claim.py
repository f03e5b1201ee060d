"""Second stage: claim due jobs; each is held under a token until its lease ends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from runner import clock
from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import CLAIM, START
from runner.broker.scripts.fields import Claimed, ClaimHead, ClaimReply, Extra, StartHead
from runner.worker.recovery import Recovery

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.worker.parked import ParkedHere

_HEAD, _CLAIMED, _EXTRA = len(ClaimReply._fields), len(Claimed._fields), len(Extra._fields)
_PAUSED = -2

_token, _key = attrgetter("token"), attrgetter("key")

IDLE: Final = "idle"
SUSPECT: Final = "suspect"


@dataclass(slots=True)
class Claim:
    """
    The right to run one job, until somebody claims it again.

    body: None if it is gone. due_ms: when it was due from the first, Unix ms.
    asked_at: when the claim was sent, by `clock.boot`. fence: higher than that of any claim before.
    attempts_spent: attempts that failed before. crashes: workers lost while they ran the job.
    dropped_for: the job that took its place in its lane; '' if none did.
    before: the token under which this very worker held it, until its lease lapsed; otherwise empty.
    redis_ms: Redis's time as it took the claim, Unix ms.
    key: the id as Redis has it; `job_id` is the same in readable form, whatever its bytes.
    """

    job_id: str
    key: bytes
    token: str
    body: bytes | None
    due_ms: float
    asked_at: float
    fence: int
    attempts_spent: int = 0
    crashes: int = 0
    aborted: bool = False
    dropped_for: str = ""
    before: str = ""
    redis_ms: float = 0.0

    @property
    def latest_ms(self) -> float:
        """The latest time that Redis's clock may show now, Unix ms."""
        return self.redis_ms + (clock.boot() - self.asked_at) * 1000

    @property
    def worker(self) -> str:
        """Id of the worker that made the claim."""
        return worker_of(self.token)


def worker_of(mark: str) -> str:
    """Return the id of the worker that made a claim, given its token or its mark in Redis."""
    return mark.partition("|")[0].rpartition(":")[0]


class Claimer:
    """Claims jobs of one queue for one worker."""

    def __init__(
        self,
        redis: Redis,
        queue_key: str,
        *,
        worker_id: str,
        lease_s: float,
        outage: Outage,
        stopping: asyncio.Event,
        redis_clock: RedisClock,
        parked: ParkedHere,
    ) -> None:
        """Claim for *worker_id*, also what *parked* finds."""
        self._script = ScriptConnection(redis, CLAIM)
        self._recovery = Recovery(redis, queue_key, worker_id)
        self._parked = parked
        self._clock = redis_clock
        self._stopping = stopping
        self._queue_key = queue_key
        self._worker_id = worker_id
        self._lease_ms = round(lease_s * 1000)
        self._outage = outage
        self._claims = 0
        self._redis = redis
        self._unanswered: list[str] = []
        self.next_due_in_s: float | None = None
        """Seconds from the last claim to when the next makes sense, if it took all that was due."""
        self.is_paused = False
        """Whether the queue was paused at the last claim."""
        self.has_more = False
        """Whether the last claim left due jobs, since the bodies became too large."""
        self.suspects_wait = False
        """Whether jobs are due that must run alone."""
        self.has_volunteered = False
        """Whether this worker is the one to run them, once its running jobs have ended."""

    async def claim(self, limit: int, *, mode: str = "", volunteer_s: float = 0.0) -> list[Claim]:
        """
        Claim at most *limit* due jobs, the longest due first; wait while Redis is away.

        Sets the attributes. mode: `IDLE` if nothing runs in this process: claims nothing while
        suspects wait; `SUSPECT`: claim one suspect. volunteer_s: how long the worker would let its
        jobs end and run suspects, if some wait.

        Raises:
            RedisError: Redis is away, and the worker is stopping.
        """
        volunteer_ms = round(volunteer_s * 1000)
        while True:
            token, asked_at, reply = await self._outage.call(
                lambda: self._ask(limit, mode, volunteer_ms), unless=self._stopping
            )
            head = ClaimReply(*reply[:_HEAD])
            if head.lapsed:
                await self._outage.call(
                    lambda: self._recovery.of_workers(head.lapsed),  # noqa: B023 -- called at once
                    unless=self._stopping,
                )
                continue
            self._outage.has_claimed = True
            self._note(head, mode)
            claims = _claims(token, asked_at, head, reply)
            if head.stray:
                await self._outage.call(
                    lambda: self._recovery.of_jobs(head.stray),  # noqa: B023 -- called at once
                    unless=self._stopping,
                )
                self.next_due_in_s = 0.0
            if await self._parked_is_news(head, mode) and not claims:
                continue
            return claims

    async def _parked_is_news(self, head: ClaimReply, mode: str) -> bool:
        """Look for parked jobs, if there are any; return whether some can be claimed here now."""
        if not head.parked:
            self._parked.labels = []
            return False
        is_news = await self._outage.call(self._parked.look, unless=self._stopping)
        return is_news and mode != SUSPECT and not self.is_paused

    def _note(self, head: ClaimReply, mode: str) -> None:
        now_ms, next_due_ms = float(head.now_ms), float(head.next_due_ms)
        self._clock.note(now_ms)
        self.is_paused = next_due_ms == _PAUSED
        self.next_due_in_s = None if next_due_ms < 0 else max(0.0, (next_due_ms - now_ms) / 1000)
        self.has_more = head.more == 1
        self._parked.note_paused(head.parked if isinstance(head.parked, list) else [])
        if mode != SUSPECT:
            self.suspects_wait = head.suspects > 0
            self.has_volunteered = self.has_volunteered or head.suspects > 1

    async def _ask(self, limit: int, mode: str, volunteer_ms: int) -> tuple[str, float, list[Any]]:
        """Send one claim, after earlier ones whose answers were lost are undone."""
        if self._outage.away_s:
            await self._redis.ping()
            self._outage.note_answer()
        await self.give_back_unanswered()
        self._claims += 1
        token = f"{self._worker_id}:{self._claims}"
        head = ClaimHead(limit, self._lease_ms, token, self._worker_id, mode, volunteer_ms)
        labels = [] if mode == SUSPECT else self._parked.labels
        asked_at = clock.boot()
        try:
            reply: list[Any] = await self._script(self._queue_key, [*head, *labels], once=True)
        except BaseException:
            self._unanswered.append(token)
            raise
        return token, asked_at, reply

    def tell_started(self, claims: Sequence[Claim]) -> bool:
        """Tell Redis that *claims* start now, and do not wait; False if there is no connection."""
        calls = [[*StartHead(token), *map(_key, group)] for token, group in groupby(claims, _token)]
        return self._script.tell(START, self._queue_key, calls)

    async def give_back_unanswered(self) -> None:
        """Undo claims whose answers never arrived; also a worker's last call."""
        while self._unanswered:
            await self._recovery.of_claim(self._unanswered[0])
            del self._unanswered[0]

    async def end_volunteering(self) -> None:
        """Let another worker volunteer."""
        if self.has_volunteered:
            self.has_volunteered = False
            await self._recovery.end_volunteering()

    async def leave(self) -> None:
        """Undo what was never answered, and leave the register of those who hold jobs."""
        await self.give_back_unanswered()
        await self._recovery.forget_holder()

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()


def _claims(token: str, asked_at: float, head: ClaimReply, reply: list[Any]) -> list[Claim]:
    fields, fence, now_ms = iter(reply[_HEAD:]), int(head.fence), float(head.now_ms)
    claims = [
        Claim(
            key.decode("utf-8", "backslashreplace"),
            key,
            token,
            body,
            max(0.0, float(due_ms)),
            asked_at,
            fence,
            redis_ms=now_ms,
        )
        for key, body, due_ms in zip(*[fields] * _CLAIMED, strict=True)
    ]
    extras: Any = iter(head.extras)
    for place, spent, crashes, aborted, before in zip(*[extras] * _EXTRA, strict=True):
        claim = claims[place - 1]
        claim.attempts_spent = spent
        claim.crashes = crashes
        claim.aborted = aborted != 0
        if isinstance(aborted, bytes):
            claim.dropped_for = aborted.decode("utf-8", "backslashreplace")
        claim.before = before.decode("utf-8", "backslashreplace")
    return claims
