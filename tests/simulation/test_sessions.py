"""Sessions beside each other: transactions, watched keys, blocked clients, in random histories."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from runner.simulation.redis import BLOCKED, Session, SimulatedRedis, encode
from tests.simulation.compared import Connection, Pair, plain, words_of

if TYPE_CHECKING:
    from runner.simulation.redis.reply import Reply
    from tests.redis_server import RedisServer

HISTORIES, STEPS, SESSIONS = 60, 40, 4

KEYS = ("a", "b", "l")
COMMANDS: tuple[tuple[Any, ...], ...] = (
    ("MULTI",),
    ("MULTI",),
    ("EXEC",),
    ("EXEC",),
    ("DISCARD",),
    ("WATCH", "a"),
    ("WATCH", "a", "l", "a"),
    ("UNWATCH",),
    ("SET", "a", "1"),
    ("SET", "b", "2", "PX", "30000000"),
    ("GET", "a"),
    ("DEL", "a", "b"),
    ("DEL", "l"),
    ("INCR", "a"),
    ("INCR", "l"),
    ("EXPIRE", "a", "0"),
    ("HSET", "a", "f", "v"),
    ("LPUSH", "l", "x"),
    ("RPUSH", "l", "y", "z"),
    ("LRANGE", "l", "0", "-1"),
    ("BLPOP", "l", "0"),
    ("BLPOP", "l2", "l", "0"),
    ("BRPOP", "l", "0"),
    ("BLPOP", "l", "-1"),
    ("BLPOP", "l", "x"),
    ("BLPOP", "a", "l", "0"),
    ("RENAME", "a", "l"),
    ("RPUSH", "l2", "w"),
    ("LMOVE", "l", "l2", "LEFT", "RIGHT"),
    ("GET",),
    ("NOSUCHCOMMAND",),
    ("EVAL", "return redis.call('LPUSH','l',1,2,3)", "0"),
    ("EVAL", "redis.call('LPUSH','l',1) return redis.call('DEL','l')", "0"),
    ("EVAL", "return redis.call('SET','a','s')", "0"),
    ("WAIT", "0", "10"),
    ("PING",),
    ("PING", "hi"),
    ("ECHO", "x"),
    ("SELECT", "0"),
    ("CLIENT", "SETNAME", "me"),
    ("CLIENT", "SETNAME", "m e"),
    ("CLIENT", "GETNAME"),
    ("SCRIPT", "EXISTS", "0" * 40),
    ("EVALSHA", "0" * 40, "0"),
    ("EVAL", "return 1", "x"),
    ("EVAL", "return 1", "3", "k"),
    ("EVAL", "return 1", "-1"),
    ("AUTH", "secret"),
    ("HELLO", "x"),
    ("FLUSHALL",),
)


class Sessions:
    """The same sessions with a simulated server and a real one."""

    def __init__(self, server: RedisServer, pair: Pair) -> None:
        self.redis = SimulatedRedis(lambda: 1_700_000_000_000_000, version=pair.redis.version)
        self.observer = pair.real
        self.real = [Connection(server) for _ in range(SESSIONS)]
        self.delivered: list[list[Reply]] = [[] for _ in range(SESSIONS)]
        self.simulated = [Session(replies.append) for replies in self.delivered]
        self.log: list[str] = []
        self.await_blocked()

    def step(self, at: int, command: tuple[Any, ...]) -> None:
        """Send a command in one session, and compare its reply and all that it causes."""
        self.log.append(f"{at}: {command}")
        reply = self.redis.execute(words_of(command), self.simulated[at])
        self.real[at].send(command)
        if reply is BLOCKED:
            self.await_blocked()
        else:
            self.compare(reply, at)
        for other, replies in enumerate(self.delivered):
            while replies:
                self.compare(replies.pop(0), other)

    def await_blocked(self) -> None:
        """Wait until the real server, too, has read what blocks: nothing answers the sender."""
        count = b"blocked_clients:%d\r\n" % len(self.redis.blocked)
        while count not in self.observer.ask(("INFO", "clients"))[0]:
            pass

    def compare(self, reply: Reply, at: int) -> None:
        """Compare a reply with what the real server sends to that session next."""
        reader = self.real[at].reader_of(encode(reply))
        simulated, real = _brief(plain(reader)), _brief(plain(self.real[at].read()))
        assert simulated == real, "\n".join([*self.log, f"{simulated} is not {real}"])

    def close(self) -> None:
        """Compare that nobody got more replies, and close."""
        for at, connection in enumerate(self.real):
            if self.simulated[at].blocked is None:
                self.step(at, ("ECHO", "the last"))
            connection.close()


def _brief(reply: Any) -> Any:
    """An error about a command that is not there reads differently."""
    if isinstance(reply, tuple) and "unknown command" in reply[1]:
        return "unknown command"
    return reply


@pytest.mark.timeout(120)
def test_sessions_get_the_same_replies(real_server: RedisServer, pair: Pair) -> None:
    """Who is woken by a push, whose transaction fails, and what each is answered."""
    for number in range(HISTORIES):
        chance = Random(number)
        real_server.flush()
        sessions = Sessions(real_server, pair)
        for _ in range(STEPS):
            free = [at for at, one in enumerate(sessions.simulated) if one.blocked is None]
            if not free:
                break
            sessions.step(chance.choice(free), chance.choice(COMMANDS))
        sessions.close()
