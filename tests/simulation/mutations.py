"""
Faults that are planted, one at a time, to see that the judge would find such a fault.

    python -m tests.simulation.mutations            # all, up to 500 seeds each
    python -m tests.simulation.mutations fence-off  # one
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from hiredis import pack_command
from redis.exceptions import RedisError

from runner.broker import scripts
from runner.broker.script_connection import ScriptConnection
from runner.enqueuer import Enqueuer
from runner.periodic.turns import Turns
from runner.worker import policy
from runner.worker.claim import Claimer
from runner.worker.engine import Engine
from runner.worker.fetch import Fetcher
from runner.worker.outcome import Dead, Released, Retrying
from runner.worker.pool import Share
from runner.worker.room import Room
from runner.worker.settle import Settler
from runner.worker.slots import Slots
from tests.replaced_scripts import replaced_scripts
from tests.simulation import judge
from tests.simulation.play import Settings, play
from tests.simulation.schedule import LEASE_S, MAX_CRASHES, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

MOST_SEEDS = 500


class InLua(NamedTuple):
    """A piece of the text of one script, or of several, and what stands there instead."""

    script: str
    before: str
    after: str


IN_LUA: dict[str, InLua] = {
    "node-needs-one-less": InLua("settle", "if left <= 1 then", "if left <= 2 then"),
    "node-put-and-kept": InLua(
        "settle",
        "try('HDEL', of_batch(batch, 'letters'), unpack(put))",
        "try('HDEL', of_batch(batch, 'letters'), '')",
    ),
    "node-started-after-a-death": InLua(
        "settle", "if how == 'done' or policy == 'go_on' then", "if true then"
    ),
    "node-given-nothing": InLua(
        "settle", "local kept, at = { own, value }, 0", "local kept, at = { own, '0' }, 0"
    ),
    "called-back-while-nodes-wait": InLua(
        "settle",
        "try('EXISTS', key .. ':pending', key .. ':letters') == 0",
        "try('EXISTS', key .. ':pending') == 0",
    ),
    "poll-noted-once": InLua(
        "elect", "local noted = whole(text_at(again)) or 0", "local noted = 0"
    ),
    "fence-off": InLua("settle", "if mark == token then", "if true then"),
    "owner-not-compared": InLua(
        "settle",
        "if not owner or string.match(owner, '^[^|]*') ~= token then",
        "if not owner then",
    ),
    "settles-over-stock-arq": InLua("settle", "if not (mark or has_run_elsewhere) and (", "if ("),
    "unclaims-what-stock-arq-put-back": InLua(
        "settle", "if not (mark or has_run_elsewhere) and (", "if not mark and ("
    ),
    "claim-takes-what-stock-holds": InLua(
        "claim", "if n >= limit or held[i] then", "if n >= limit then"
    ),
    "running-not-forgotten": InLua(
        "settle", "redis.call('HDEL', running, unpack(over))", "redis.call('HDEL', running, '')"
    ),
    "queue-not-forgotten": InLua(
        "settle", "redis.call('ZREM', queue, unpack(over))", "redis.call('ZREM', queue, '')"
    ),
    "crashes-kept-when-over": InLua(
        "settle",
        "redis.call('HDEL', queue .. ':crashes', unpack(over))",
        "redis.call('HDEL', queue .. ':crashes', '')",
    ),
    "retry-without-attempts": InLua(
        "settle",
        "redis.call('SET', retry .. id, spent) redis.call('ZADD', queue .. ':retrying'",
        "redis.call('ZADD', queue .. ':retrying'",
    ),
    "dead-stays-in-queue": InLua(
        "settle",
        "redis.call('PERSIST', job .. id)\n      redis.call('ZREM', queue, id)",
        "redis.call('PERSIST', job .. id)",
    ),
    "delay-shortened": InLua("settle", "now + tonumber(delay)", "now + tonumber(delay) * 0.9"),
    "release-loses-its-place": InLua(
        "settle",
        "due = string.match(owner, '^[^|]*|([%d.e+-]+)') or later(0)",
        "due = later(0)",
    ),
    "suspect-back-in-the-queue": InLua(
        "settle",
        "if string.find(owner, '|alone', 1, true) then\n    redis.call('ZREM', queue, id)",
        "if false then\n    redis.call('ZREM', queue, id)",
    ),
    "crash-not-taken-back": InLua("renew settle", "found = true", "found = false"),
    "late-question-takes-a-crash-back": InLua(
        "renew",
        "if holder ~= token and ARGV[3] == '1' then take_crash_back",
        "if holder ~= token then take_crash_back",
    ),
    "retrying-kept-for-another-job": InLua(
        "enqueue",
        "'abort', id) redis.call('ZREM', queue .. ':retrying', id)",
        "'abort', id)",
    ),
    "lane-never-full": InLua(
        "enqueue", "local is_full = last[1] ~= nil", "local is_full = last[1] == ''"
    ),
    "place-not-handed-on": InLua(
        "settle", "wake_many(queue, ready) end close_lanes(now)", "wake_many(queue, ready) end"
    ),
    "place-kept-by-the-dead": InLua(
        "settle", "uses_lanes(queue) then leave_lane(queue, id, dead_id)", "dead_id == '' then"
    ),
    "ended-and-not-listed": InLua(
        "settle", "redis.call('ZADD', queue .. ':done', unpack(ended))", "local _ = ended"
    ),
    "claims-early": InLua(
        "claim",
        "local now_text = string.format('%.4f', now)",
        "local now_text = string.format('%.4f', now + 500)",
    ),
    "stock-arq-reaches-what-left": InLua(
        "recover settle admin",
        "redis.call('SET', base .. 'in-progress:' .. id, '', 'PX', 1)",
        "local _ = id",
    ),
    "unanswered-though-stock-has-it": InLua(
        "recover", "if mark == unanswered or (not mark and score) then", "if true then"
    ),
    "stands-in-the-future": InLua(
        "recover",
        "math.min(now, tonumber(string.match(owner, '^[^|]*|([%d.e+-]+)')) or score or now)",
        "tonumber(string.match(owner, '^[^|]*|([%d.e+-]+)')) or score or now",
    ),
    "released-into-the-future": InLua(
        "settle",
        "due = tonumber(due) > now and later(0) or due",
        "due = due",
    ),
    "lease-outlives-the-jump": InLua("set_back", "text(until_ms + lease + 2)", "text(until_ms)"),
    "fence-does-not-grow": InLua(
        "claim",
        "redis.call('SET', base .. 'fence', fence)",
        "redis.call('SET', base .. 'fence', last)",
    ),
    "crash-not-told": InLua("claim", "crashed and #crashes_of(queue, id, now) or 0", "0"),
    "revoked-claim-taken": InLua(
        "claim", "if redis.call('EXISTS', base .. 'revoked:' .. token) == 1 then", "if false then"
    ),
    "crash-not-counted": InLua(
        "recover",
        "entries[#entries + 1] = string.format('%.0f', now)",
        "local _ = string.format('%.0f', now)",
    ),
    "unstarted-counts-a-crash": InLua(
        "recover", "if has_started(owner, id) and", "if (has_started(owner, id) or true) and"
    ),
    "start-of-a-lapsed-claim-not-heard": InLua(
        "start",
        "return redis.call('SREM',",
        "if redis.call('GET', 'arq:in-progress:' .. ARGV[2]) ~= ARGV[1] then return 0 end "
        "return redis.call('SREM',",
    ),
    "own-suspect-claimed-among-others": InLua(
        "claim",
        "(is_own(owner) and not string.find(owner, '|alone', 1, true))",
        "is_own(owner)",
    ),
    "suspect-among-others": InLua(
        "recover",
        "redis.call('ZADD', is_suspect and suspects or queue, due_text, id)",
        "redis.call('ZADD', queue, due_text, id)",
    ),
    "recovered-loses-its-place": InLua(
        "recover",
        "math.min(now, tonumber(string.match(owner, '^[^|]*|([%d.e+-]+)')) or score or now)",
        "now",
    ),
    "renews-a-lost-lease": InLua("renew", "lost[#lost + 1] = id end if", "end if"),
    "renews-without-the-mark": InLua(
        "renew", "redis.call('SET', marks[i], token, 'PX', lease)", "local _ = token"
    ),
    "renews-without-the-due-time": InLua(
        "renew", "redis.call('ZADD', queue, 'XX', unpack(renewed))", "local _ = renewed"
    ),
    "repeated-enqueue-not-known": InLua(
        "enqueue", "return true, is_own(found, body, ms)", "return true, false"
    ),
    "ended-job-not-known": InLua(
        "enqueue", "died or drawn and string.find(result, drawn, 1, true)", "false"
    ),
    "ahead-before-it-is-due": InLua(
        "enqueue settle", "local is_due = due <= now", "local is_due = true"
    ),
    "told-the-time-ahead": InLua(
        "claim", "local due = due_of_score(score, text)", "local due = score"
    ),
    "head-start-left-behind": InLua(
        "settle", "redis.call('HDEL', queue .. ':ahead', unpack(over))", "local _ = over"
    ),
    "run-keeps-attempts": InLua(
        "admin", "redis.call('SET', base .. 'retry:' .. id, '0')", "local _ = id"
    ),
}


def _decide_one_less(one: policy.Policy, number: int, error: BaseException) -> Any:
    decided = policy.decide(one, number + 1, error)
    return decided if isinstance(decided, Dead | Released) else policy.decide(one, number, error)


def _release_charges(one: policy.Policy, number: int, error: BaseException, why: Any) -> Any:
    decided = policy.decide_stopped(one, number, error, why)
    if isinstance(decided, Released):
        return policy.decide(one, number, RuntimeError("charged"))
    return decided


async def _acknowledge_unsent(self: Enqueuer, request: Any) -> bool:
    task = asyncio.ensure_future(self._handler(request))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task}, timeout=0.001)
    return True


_send = Enqueuer._send


async def _take_an_error_for_a_yes(self: Enqueuer, queue: str, jobs: list[Any]) -> list[Any]:
    try:
        return await _send(self, queue, jobs)
    except (RedisError, OSError):
        return [1] * len(jobs)


async def _forget_unanswered(self: Claimer, *_: Any) -> None:
    self._unanswered.clear()


def _drop_at_error(self: Settler, ended: Any) -> None:
    if not isinstance(ended.outcome, Retrying):
        _put(self, ended)


_put = Settler.put


def _adopt_any(self: Slots, claim: Any) -> bool:
    held = self.newest.get(claim.key)
    if held is None:
        return False
    held.claim.token = claim.token
    return True


def _tell_by_name(self: ScriptConnection, script: str, key: str, calls: Any) -> bool:
    if self._protocol is None or self._protocol.is_closing:
        return False
    sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    commands: list[Any] = [("EVALSHA", sha, 2, key, self.own_keys.base, *args) for args in calls]
    self._protocol.tell([pack_command(command) for command in commands])
    return True


async def _renew_late(self: Slots) -> None:
    while True:
        await asyncio.sleep(LEASE_S * 1.5)
        await self.renew()


_start = Slots.start


def _start_beside_the_oldest(self: Slots, claim: Any) -> None:
    before = self.newest.get(claim.key)
    _start(self, claim)
    if before is not None:
        self.newest[claim.key] = before


@contextmanager
def _oldest_first() -> Iterator[None]:
    """Renew, and go on with, the oldest claim of a job that runs again here."""
    with (
        mock.patch.object(Slots, "start", _start_beside_the_oldest),
        mock.patch.object(Slots, "continue_under", _adopt_any),
    ):
        yield


_take = Turns.take
_until_stopped = Engine.until_stopped


async def _until_stopped_or_raise(self: Engine, part: Coroutine[Any, Any, None]) -> None:
    """Raise what the part raised, though the worker is to stop."""
    raised: list[BaseException] = []

    async def noted() -> None:
        try:
            await part
        except Exception as error:
            raised.append(error)
            raise

    await _until_stopped(self, noted())
    if raised:
        raise raised[0]


async def _take_or_raise(self: Turns) -> None:
    await self._outage.call(self._ask, unless=self._stopping)
    await _take(self)


async def _see_off_what_is_left(self: Fetcher) -> None:
    """Wait for a change, though the suspect was just given back and nothing will change."""
    changed = self._life.changed
    while (self._prefetched or self._slots.held) and not self._life.stopping.is_set():
        changed.clear()
        if self._prefetched.is_overdue or self._is_held_back():
            await self.give_back()
        self._start_waiting()
        self._set_alarm()
        await changed.wait()


def _start_untold(self: Claimer, claims: Any) -> bool:
    del self, claims
    return True


IN_PYTHON: dict[str, Callable[[], Any]] = {
    "one-crash-more": lambda: mock.patch.object(Settings, "max_crashes", MAX_CRASHES + 1),
    "one-attempt-less": lambda: _deciding(decide=_decide_one_less),
    "release-charges": lambda: _deciding(decide_stopped=_release_charges),
    "start-not-told": lambda: mock.patch.object(Claimer, "tell_started", _start_untold),
    "old-outcome-takes-a-newer-claim": _oldest_first,
    "waits-for-a-suspect-given-back": lambda: mock.patch.object(
        Fetcher, "_see_suspect_off", _see_off_what_is_left
    ),
    "stopped-by-an-error-of-the-poll": lambda: mock.patch.object(Turns, "take", _take_or_raise),
    "stopped-by-an-error-of-a-stage": lambda: mock.patch.object(
        Engine, "until_stopped", _until_stopped_or_raise
    ),
    "start-sent-by-name": lambda: mock.patch.object(ScriptConnection, "tell", _tell_by_name),
    "renews-after-the-lease": lambda: mock.patch.object(Slots, "keep_leases", _renew_late),
    "enqueue-acknowledged-unsent": lambda: mock.patch.object(Enqueuer, "put", _acknowledge_unsent),
    "error-taken-for-a-yes": lambda: mock.patch.object(Enqueuer, "_send", _take_an_error_for_a_yes),
    "failures-dropped": lambda: mock.patch.object(Settler, "put", _drop_at_error),
    "any-claim-adopted": lambda: mock.patch.object(Slots, "continue_under", _adopt_any),
    "unanswered-claims-forgotten": lambda: mock.patch.object(
        Claimer, "give_back_unanswered", _forget_unanswered
    ),
    "slots-of-a-pool-not-given-back": lambda: mock.patch.object(Share, "end", _keep),
    "other-queues-run-beside-a-suspect": lambda: mock.patch.object(
        Room, "may_start", return_value=True
    ),
    "suspects-run-among-others": lambda: mock.patch(
        "runner.worker.room.Room.is_empty", property(lambda _: True)
    ),
}


def _keep(_: Share, started: float) -> None:
    """Give nothing back."""


def _deciding(**by: Any) -> Any:
    of = policy.Policy.of
    decided = classmethod(lambda _, *args: replace(of(*args), **by))
    return mock.patch.object(policy.Policy, "of", decided)


def names() -> list[str]:
    """Return the names of all mutations."""
    return [*IN_LUA, *IN_PYTHON]


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant one fault inside, in this process."""
    with ExitStack() as exits:
        if name in IN_PYTHON:
            exits.enter_context(IN_PYTHON[name]())
        else:
            _plant_in_lua(IN_LUA[name], exits)
        yield


def _plant_in_lua(mutation: InLua, exits: ExitStack) -> None:
    """Replace the text of the scripts that a mutation names."""
    pattern = r"\s+".join(re.escape(word) for word in mutation.before.split())
    for name in mutation.script.split():
        text = scripts.SCRIPTS[name].text()
        mutated, count = re.subn(pattern, lambda _: mutation.after, text)
        if count != 1:
            raise ValueError(f"{name}: {mutation.before!r} stands there {count} times")
        judge.know(mutated, name)
        exits.enter_context(replaced_scripts({name: mutated}))


def found_at(name: str, most: int = MOST_SEEDS) -> tuple[int, str] | None:
    """Return the first seed at which a planted fault is found, and how; None if none of *most*."""
    with planted(name):
        for seed in range(most):
            if faults := play(draw(seed)).faults:
                return seed, faults[0]
    return None


def main(asked: list[str]) -> int:
    """Print for each mutation the first seed that finds it; return 1 if one is not found."""
    missed = 0
    for name in asked or names():
        found = found_at(name)
        missed += found is None
        seed, rule = ("-", "not found") if found is None else (str(found[0]), found[1])
        sys.stdout.write(f"{name:32} {seed:>4}  {rule.partition(':')[0]}\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
