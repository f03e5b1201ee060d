"""
What tests do to a worker, a client or a poller, and see of it, that no public name offers.

Only this module knows the parts of a worker.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError

from runner.broker import keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from runner import Periodic, QueueClient, Worker
    from runner.periodic.poller import Poller
    from runner.worker.claim import Claim


def _engine(one: Worker) -> Any:
    """Return the engine untyped: the functions below replace its methods."""
    return one.engine


# ---------------------------------------------------------------- what a worker holds


def holds_nothing(one: Worker) -> bool:
    """Whether no job runs in *one*, and Redis has answered for every outcome."""
    return not _engine(one).slots.held


def slots_taken(one: Worker) -> int:
    """Return how many slots of *one* are taken."""
    return int(_engine(one).slots.busy)


def prefetched(one: Worker) -> int:
    """Return how many claims of *one* wait for a free slot."""
    return len(_engine(one).prefetched)


def has_unsettled(one: Worker) -> bool:
    """Whether *one* has outcomes that Redis has not answered for."""
    return bool(_engine(one).settler.pending)


def claims_made(one: Worker) -> int:
    """Return how often *one* has asked Redis for jobs."""
    return int(_engine(one).claimer._claims)


def is_away(one: Worker) -> bool:
    """Whether *one* has lost Redis and waits for it."""
    return one.outage.away_s > 0


# ---------------------------------------------------------------- notes of what it does


def note_settles(one: Worker) -> list[int]:
    """Return a list that grows with each settle of *one*, by the number of its outcomes."""
    sizes: list[int] = []
    settler = _engine(one).settler
    settle = settler._settle

    async def noted(batch: Sequence[Any]) -> None:
        sizes.append(len(batch))
        await settle(batch)

    settler._settle = noted
    return sizes


def note_given_back(one: Worker) -> list[str]:
    """Return a list that grows by the ids of the jobs that *one* gives back unstarted."""
    ids: list[str] = []
    settler = _engine(one).settler
    unclaim = settler.unclaim

    async def noted(claims: Sequence[Claim]) -> None:
        ids.extend(claim.job_id for claim in claims)
        await unclaim(claims)

    settler.unclaim = noted
    return ids


def note_started_ahead(one: Worker) -> list[Claim]:
    """Return a list that grows by the claims that *one* starts after they waited for a slot."""
    started: list[Claim] = []
    waiting = _engine(one).prefetched
    take = waiting.take

    def noted(most: int) -> list[Claim]:
        taken: list[Claim] = take(most)
        started.extend(taken)
        return taken

    waiting.take = noted
    return started


def note_rests(one: Worker) -> list[float]:
    """Return a list that grows with each wait of *one* for a wake-up, by its longest time in s."""
    longest_s: list[float] = []
    wake = _engine(one).wake
    execute = wake.execute

    async def noted(command: str, key: str, timeout_s: float) -> object:
        longest_s.append(timeout_s)
        return await execute(command, key, timeout_s)

    wake.execute = noted
    return longest_s


# ---------------------------------------------------------------- what a test makes it do


def set_slots(one: Worker, count: int) -> None:
    """Let *one* run *count* jobs at a time from now on."""
    _engine(one).slots.places.count = count
    _engine(one)._life.changed.set()


def before_each_job(one: Worker, act: Callable[[], None]) -> None:
    """Call *act* each time *one* starts a job, before its first step."""
    slots = _engine(one).slots
    run = slots._run

    def run_after(held: Any) -> Any:
        act()
        return run(held)

    slots._run = run_after


async def renew_leases(one: Worker) -> None:
    """Extend the leases of *one* now, as it does with each heartbeat."""
    await _engine(one).slots.renew()


async def give_back_prefetched(one: Worker) -> None:
    """Give back what waits for a slot of *one*."""
    await _engine(one).fetcher.give_back()


def give_up(one: Worker, *, blocked_by: str) -> None:
    """
    Give back all but the job *blocked_by* from another thread, as the watchdog does.

    Then forget what waited for a slot: in earnest the process would end here.
    """
    task = one.tasks[blocked_by]
    giving = threading.Thread(target=one.engine.give_up, args=(task,))
    giving.start()
    giving.join()
    one.engine.prefetched.leave()
    one.engine.prefetched.left()


async def enqueue_late(poller: Poller, periodic: Periodic, tick: datetime) -> None:
    """Enqueue *tick* as a poll does that took so long that others have enqueued it since."""
    await poller._enqueue(periodic, tick)


async def ask_after_starts(one: Worker, *command: Any) -> Any:
    """
    Ask Redis on the connection over which *one* reports starts, and so after those.

    Of two connections Redis may read the later question first.
    """
    line = _engine(one).claimer._script._protocol
    assert line is not None
    return await line.send(pack_command(command))


async def is_known_to_have_started(one: Worker, job_id: str) -> bool:
    """Whether Redis knows that a job which *one* holds has started."""
    token = _engine(one).slots.newest[job_id.encode()].claim.token
    return not await ask_after_starts(one, "SISMEMBER", keys.ARQ.unstarted_prefix + token, job_id)


async def poll_now(one: Worker) -> None:
    """Let *one* take its turn to poll now."""
    (turns,) = one._turns()
    await turns.take()


async def beat_now(one: Worker) -> None:
    """Let *one* send a heartbeat now."""
    heartbeat = _engine(one).heartbeat
    heartbeat._on_beat(await heartbeat._outage.call(heartbeat._beat))


# ---------------------------------------------------------------- what breaks


def stop_renewing(one: Worker) -> Callable[[], None]:
    """
    Extend no lease of *one* from now on, as if its loop were blocked.

    Returns what makes it extend them again.
    """
    leases = _engine(one).leases
    renew = leases.renew

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    def go_on() -> None:
        leases.renew = renew

    leases.renew = hang
    return go_on


def never_settle(one: Worker) -> None:
    """Let no settle of *one* reach Redis."""

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    _engine(one).settler._script._run = hang


def break_heartbeat(one: Worker, error: Exception) -> None:
    """Let each heartbeat of *one* raise *error*."""

    async def break_down() -> str:
        raise error

    _engine(one).heartbeat._beat = break_down


def cut_off_enqueues(client: QueueClient) -> None:
    """Let no enqueue of *client* reach Redis."""

    async def refuse(*_: object) -> None:
        raise RedisConnectionError("Connection refused")

    enqueuer: Any = client.enqueuer
    enqueuer._script._run = refuse


class LosesAnswers:
    """
    Stands in for a script: Redis does what it is asked, and its answer is lost.

    left: answers still to be lost. lost: those that were. before: called before each question.
    after: awaited before an answer is lost.
    """

    def __init__(
        self,
        script: Any,
        *,
        times: int = 1,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._script = script
        self._before = before
        self._after = after
        self.left = times
        self.lost: list[Any] = []

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask, and lose the answer."""
        self._before()
        answer = await self._script(*args, **kwargs)
        if self.left:
            self.left -= 1
            self.lost.append(answer)
            if self._after is not None:
                await self._after()
            raise RedisConnectionError("Connection reset by peer")
        return answer

    def __getattr__(self, name: str) -> Any:
        """Be that script's connection for everything else."""
        return getattr(self._script, name)


def lose_answers_to_claims(one: Worker, **how: Any) -> LosesAnswers:
    """Lose answers to claims of *one*; *how* as in `LosesAnswers`."""
    claimer = _engine(one).claimer
    claimer._script = loses = LosesAnswers(claimer._script, **how)
    return loses


def lose_answers_to_settles(one: Worker, **how: Any) -> LosesAnswers:
    """Lose answers to settles of *one*; *how* as in `LosesAnswers`."""
    settler = _engine(one).settler
    settler._script = loses = LosesAnswers(settler._script, **how)
    return loses


def lose_answers_to_heartbeats(one: Worker, **how: Any) -> LosesAnswers:
    """Lose answers to heartbeats of *one*, which carry its counts; *how* as in `LosesAnswers`."""
    heartbeat = _engine(one).heartbeat
    heartbeat._beat = loses = LosesAnswers(heartbeat._beat, **how)
    counts: Any = one.counts
    sent = counts.sent
    counts.sent = lambda: None if loses.left else sent()
    return loses


def lose_answers_to_enqueues(client: QueueClient, **how: Any) -> LosesAnswers:
    """Lose answers to enqueues of *client*; *how* as in `LosesAnswers`."""
    enqueuer: Any = client.enqueuer
    enqueuer._script = loses = LosesAnswers(enqueuer._script, **how)
    return loses
