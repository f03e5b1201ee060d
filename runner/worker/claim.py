"""Second stage: claim due jobs; each is held under a token until its lease ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import clock
from runner.broker.script_connection import ScriptConnection
from runner.broker.scripts import CLAIM
from runner.broker.scripts.fields import Claimed, ClaimHead, Extra

if TYPE_CHECKING:
    import asyncio

    from redis.asyncio import Redis

    from runner.broker.outage import Outage
    from runner.broker.redis_clock import RedisClock
    from runner.worker.parked import ParkedHere

_EXTRAS, _IS_PARKED, _REPLY_HEAD = 2, 3, 4
_CLAIMED, _EXTRA = len(Claimed._fields), len(Extra._fields)
_PAUSED = -2


AHEAD = "|ahead of a free slot, which it will have soon, and not started so far"
"""
Follows the token of a claim until its job starts.

It is this long for Redis: with one value of more than 64 bytes a hash is stored as a table, not as
a list that each look-up scans. With a hundred jobs held, that saves an eighth of Redis's time.
"""


@dataclass(slots=True)
class Claim:
    """
    The right to run one job, until somebody claims it again.

    body: None if it is gone. due_ms: when it came due, Unix ms.
    attempts_spent: attempts that failed before. crashes: workers lost while they ran the job.
    held_before: this very worker held it, and its lease lapsed. key: the id as Redis has it;
    `job_id` is the same in readable form, whatever its bytes.
    """

    job_id: str
    key: bytes
    token: str
    body: bytes | None
    due_ms: float
    attempts_spent: int = 0
    crashes: int = 0
    aborted: bool = False
    held_before: bool = False

    @property
    def worker(self) -> str:
        """Id of the worker that made the claim."""
        return worker_of(self.token)


def worker_of(token: str) -> str:
    """Return the id of the worker that made a claim's *token*."""
    return token.rpartition(":")[0]


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
        self._parked = parked
        self._clock = redis_clock
        self._stopping = stopping
        self._queue_key = queue_key
        self._worker_id = worker_id
        self._lease_ms = round(lease_s * 1000)
        self._outage = outage
        self._claims = 0
        self._redis = redis
        self._unanswered: dict[str, float] = {}
        self.next_due_in_s: float | None = None
        """Seconds from the last claim to the queue's next due time, if it took all that was due."""
        self.is_paused = False
        """Whether the queue was paused at the last claim."""

    async def claim(self, limit: int, *, ahead: bool = False) -> list[Claim]:
        """
        Claim at most *limit* due jobs, the longest due first; wait while Redis is away.

        Sets `next_due_in_s` and `is_paused`. ahead: the jobs do not start at once.

        Raises:
            RedisError: Redis is away, and the worker is stopping.
        """
        mark = AHEAD if ahead else ""
        token, reply = await self._outage.call(
            lambda: self._ask(limit, mark), unless=self._stopping
        )
        now_ms, next_due_ms = float(reply[0]), float(reply[1])
        self._clock.note(now_ms)
        self.is_paused = next_due_ms == _PAUSED
        self.next_due_in_s = None if next_due_ms < 0 else max(0.0, (next_due_ms - now_ms) / 1000)
        fields = iter(reply[_REPLY_HEAD:])
        claims = [
            Claim(key.decode("utf-8", "backslashreplace"), key, token, body, float(due_ms))
            for key, body, due_ms in zip(*[fields] * _CLAIMED, strict=True)
        ]
        extras = iter(reply[_EXTRAS])
        for place, spent, crashes, aborted in zip(*[extras] * _EXTRA, strict=True):
            claim = claims[place - 1]
            claim.attempts_spent = spent
            claim.crashes = max(crashes, 0)
            claim.held_before = crashes < 0
            claim.aborted = aborted == 1
        if reply[_IS_PARKED]:
            is_news = await self._outage.call(self._parked.look, unless=self._stopping)
            if is_news and not claims and not self.is_paused:
                return await self.claim(limit, ahead=ahead)
        else:
            self._parked.labels = []
        return claims

    async def _ask(self, limit: int, mark: str) -> tuple[str, list[Any]]:
        """Send one claim; it also undoes earlier claims whose answers were lost."""
        if self._outage.away_s:
            await self._redis.ping()
            self._outage.note_answer()
        await self._outage.let_others_renew(self._lease_ms / 1000)
        self._claims += 1
        token = f"{self._worker_id}:{self._claims}"
        args: list[str | int | float | bytes]
        head = ClaimHead(limit, self._lease_ms, token, self._worker_id, mark)
        args = [*head, *self._still_unanswered()]
        labels = self._parked.labels
        rest: list[str | bytes] = ["", *labels] if labels else []
        try:
            reply: list[Any] = await self._script(
                self._queue_key, [*args, *rest], again=lambda: [*args, token, *rest]
            )
        except BaseException:
            self._unanswered[token] = clock.monotonic() + self._lease_ms / 1000
            raise
        return token, reply

    def _still_unanswered(self) -> list[str]:
        """Return their tokens for one lease: a claim that reaches Redis late lapses after that."""
        if self._unanswered:
            now = clock.monotonic()
            self._unanswered = {t: end for t, end in self._unanswered.items() if end > now}
        return list(self._unanswered)

    async def give_back_unanswered(self) -> None:
        """Undo claims whose answer never arrived; a worker's last call."""
        if unanswered := self._still_unanswered():
            head = ClaimHead(0, self._lease_ms, "", self._worker_id, "")
            await self._script(self._queue_key, [*head, *unanswered])

    async def close(self) -> None:
        """Close the connection."""
        await self._script.close()
