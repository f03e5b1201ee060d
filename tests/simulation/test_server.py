"""What no real server shows at will: time that is moved, data that is set back, refusals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.simulation.redis import (
    BLOCKED,
    CommandReader,
    ReplyError,
    Session,
    SimulatedRedis,
    Trouble,
    encode,
)
from runner.simulation.redis.arguments import plain_score, shortest_score
from runner.simulation.redis.reply import NIL_ARRAY, Reply
from tests.simulation.compared import words_of

START_US = 1_700_000_000_000_999


@dataclass
class Served:
    """A server whose time is moved by hand, and one session."""

    now_us: int = START_US
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.redis = SimulatedRedis(lambda: self.now_us)
        self.session = Session(self.replies.append)

    def ask(self, *command: Any, session: Session | None = None) -> Reply:
        """Return the reply to a command."""
        return self.redis.execute(words_of(command), session or self.session)

    def pass_ms(self, ms: int) -> None:
        """Let time pass, or go back."""
        self.now_us += ms * 1000


@pytest.fixture
def served() -> Served:
    """Give an empty server."""
    return Served()


def test_key_expires_once_its_last_millisecond_is_over(served: Served) -> None:
    """It is there at its time, and gone a millisecond later; the time of the clock is whole ms."""
    served.ask("SET", "k", "v", "PX", 10)
    served.pass_ms(10)
    assert (served.ask("GET", "k"), served.ask("PTTL", "k")) == (b"v", 0)
    served.pass_ms(1)
    assert (served.ask("EXISTS", "k"), served.ask("DBSIZE")) == (0, 0)


def test_key_lives_longer_where_the_clock_goes_back(served: Served) -> None:
    """The time at which a key expires stays; a later SET without one keeps the key for ever."""
    served.ask("SET", "k", "v", "PX", 10)
    served.pass_ms(-1000)
    assert served.ask("PTTL", "k") == 1010
    served.ask("SET", "k", "v")
    served.pass_ms(10_000)
    assert served.ask("GET", "k") == b"v"


def test_clock_stands_still_within_a_script_and_a_transaction(served: Served) -> None:
    """A key cannot expire between two commands of either, and TIME is one time."""
    served.redis.clock = iter(range(START_US, START_US + 10**9, 10**6)).__next__
    script = "redis.call('SET', 'k', 'v', 'PX', 1) return {redis.call('TIME'), redis.call('TIME')}"
    first, second = served.ask("EVAL", script, 0)  # type: ignore[misc]  # it is a list
    assert first == second
    for command in (["MULTI"], ["SET", "k", "v", "PX", 1], ["GET", "k"]):
        served.ask(*command)
    assert served.ask("EXEC") == [b"OK", b"v"]
    assert served.ask("GET", "k") is None


def test_restore_sets_back_every_kind_of_value(served: Served) -> None:
    """A snapshot shares nothing with the server, and scripts do not outlive a restart."""
    fill: list[list[Any]] = [
        *(["SET", "s", "1", "PX", 50], ["HSET", "h", "f", "1"], ["RPUSH", "l", "1"]),
        *(["SADD", "m", "1"], ["ZADD", "z", 1, "1"], ["XADD", "x", "1-1", "f", "1"]),
    ]
    change: list[list[Any]] = [
        *(["SET", "s", "2"], ["HSET", "h", "f", "2"], ["RPUSH", "l", "2"]),
        *(["SADD", "m", "2"], ["ZADD", "z", 2, "1", 3, "2"], ["XADD", "x", "2-1", "f", "1"]),
    ]
    read: list[list[Any]] = [
        *(["GET", "s"], ["PTTL", "s"], ["HGETALL", "h"], ["LRANGE", "l", 0, -1]),
        *(["SMEMBERS", "m"], ["ZRANGE", "z", 0, -1, "WITHSCORES"], ["XRANGE", "x", "-", "+"]),
    ]
    for command in fill:
        served.ask(*command)
    sha = served.ask("SCRIPT", "LOAD", "return 1")
    before = [served.ask(*command) for command in read]
    snapshot = served.redis.snapshot()
    for _ in range(2):
        for command in change:
            served.ask(*command)
        assert [served.ask(*command) for command in read] != before
        served.redis.restore(snapshot)
        assert [served.ask(*command) for command in read] == before
    assert served.ask("SCRIPT", "EXISTS", sha) == [0]
    served.pass_ms(51)
    assert served.ask("GET", "s") is None


def test_restore_forgets_sessions(served: Served) -> None:
    """Nobody who was blocked before a restart takes what is pushed after it."""
    snapshot = served.redis.snapshot()
    assert served.ask("BLPOP", "l", 0) is BLOCKED
    served.redis.restore(snapshot)
    assert served.ask("RPUSH", "l", "x", session=Session()) == 1
    assert (served.replies, served.redis.next_deadline()) == ([], None)


@pytest.mark.parametrize(
    ("command", "ends_ms", "reply"),
    [(("BLPOP", "l", "0.25"), 250, NIL_ARRAY), (("WAIT", 1, 40), 40, 0)],
)
def test_blocked_session_is_woken_at_its_deadline(
    served: Served, command: tuple[Any, ...], ends_ms: int, reply: Reply
) -> None:
    """`next_deadline` names the µs; before it nothing is delivered."""
    assert served.ask(*command) is BLOCKED
    assert served.redis.next_deadline() == START_US + ends_ms * 1000
    served.now_us = START_US + ends_ms * 1000 - 1
    served.redis.wake_overdue()
    assert served.replies == []
    served.now_us += 1
    served.redis.wake_overdue()
    assert (served.replies, served.redis.next_deadline()) == ([reply], None)
    assert served.ask("PING") == b"PONG"


def test_disconnected_session_takes_nothing(served: Served) -> None:
    """What is pushed goes to the next one that waits; a cut transaction is never run."""
    other = Session(served.replies.append)
    gone = Session(lambda reply: pytest.fail(f"delivered {reply!r}"))
    for session in (gone, other):
        assert served.ask("BLPOP", "l", 0, session=session) is BLOCKED
    served.redis.disconnect(gone)
    served.ask("RPUSH", "l", "x")
    assert served.replies == [[b"l", b"x"]]
    served.ask("WATCH", "k")
    served.ask("MULTI")
    served.redis.disconnect(served.session)
    assert (served.redis.db.watched, served.session.queue) == ({}, None)


def test_blocked_session_may_not_send(served: Served) -> None:
    """Its owner has to hold its commands back until the reply is delivered."""
    served.ask("BLPOP", "l", 0)
    with pytest.raises(ValueError, match="waits"):
        served.ask("PING")


@pytest.mark.parametrize("command", [("SPOP", "k"), ("BITCOUNT", "k"), ("OBJECT", "ENCODING", "k")])
def test_other_commands_are_refused_by_name(served: Served, command: tuple[str, ...]) -> None:
    """An answer that only looks right would make the simulation lie."""
    for reply in (
        served.ask(*command),
        served.ask("EVAL", f"return redis.call('{command[0]}', 'k')", 0),
    ):
        assert isinstance(reply, ReplyError)
        assert f"'{command[0]}'".encode() in reply.text
        assert b"runner/simulation/redis" in reply.text


@pytest.mark.parametrize(
    ("trouble", "passes", "refused"),
    [
        (Trouble.LOADING, ["TIME"], ["GET k", "PING", "SET k v"]),
        (Trouble.BUSY, ["MULTI"], ["GET k", "PING", "TIME"]),
        (Trouble.READ_ONLY, ["GET k", "PING"], ["SET k v", "DEL k"]),
        (Trouble.FULL, ["GET k", "DEL k", "ZREM z k"], ["SET k v", "LPUSH l v"]),
    ],
)
def test_trouble_refuses_what_it_refuses_in_redis(
    served: Served, trouble: Trouble, passes: list[str], refused: list[str]
) -> None:
    """The error's first word is the one that clients look at; without trouble all pass again."""
    served.redis.trouble = trouble
    replies = [served.ask(*text.split(), session=Session()) for text in passes + refused]
    told = [
        isinstance(reply, ReplyError) and reply.text == trouble.value.encode() for reply in replies
    ]
    assert told == [False] * len(passes) + [True] * len(refused)
    served.redis.trouble = None
    assert served.ask("SET", "k", "v") == b"OK"


def test_refusal_is_asked_before_each_command(served: Served) -> None:
    """It may refuse by command; within MULTI a refused command spoils the transaction."""
    busy = ReplyError("TRYAGAIN later")
    served.redis.refuse = lambda command, _: busy if command[0] == b"SET" else None
    assert served.ask("SET", "k", "v") == busy
    assert served.ask("GET", "k") is None
    assert [served.ask("MULTI"), served.ask("SET", "k", "v")] == [b"OK", busy]
    assert b"EXECABORT" in encode(served.ask("EXEC"))


def test_password_is_asked_for_and_may_be_rotated(served: Served) -> None:
    """A session that has shown the old one goes on; a new session needs the new one."""
    served.redis.password = b"old"
    assert b"NOAUTH" in encode(served.ask("GET", "k"))
    assert b"WRONGPASS" in encode(served.ask("AUTH", "wrong"))
    assert served.ask("AUTH", "old") == b"OK"
    served.redis.password = b"new"
    assert served.ask("GET", "k") is None
    other = Session()
    assert b"WRONGPASS" in encode(served.ask("AUTH", "old", session=other))
    assert served.ask("AUTH", "default", "new", session=other) == b"OK"


@pytest.mark.parametrize("command", ["SCAN 0", "SSCAN s 0", "HSCAN h 0", "ZSCAN z 0"])
def test_scan_returns_all_that_stays(served: Served, command: str) -> None:
    """However much is removed and added between two pages, in order and without repeats."""
    names = [f"n{n}" for n in range(1000)]
    for name in names:
        served.ask("SET", name, "v")
        served.ask("SADD", "s", name)
        served.ask("HSET", "h", name, "v")
        served.ask("ZADD", "z", 1, name)
    removal = {
        "SCAN": ["DEL"],
        "SSCAN": ["SREM", "s"],
        "HSCAN": ["HDEL", "h"],
        "ZSCAN": ["ZREM", "z"],
    }
    words, removed, seen = command.split(), iter(names[::2]), list[bytes]()
    while True:
        cursor, page = served.ask(*words, "COUNT", 7)  # type: ignore[misc]  # it is a list
        step = 1 if words[0] in {"SCAN", "SSCAN"} else 2
        seen += page[::step]  # type: ignore[index, arg-type]  # likewise
        for name in [next(removed, "gone") for _ in range(5)]:
            served.ask(*removal[words[0]], name)
        if cursor == b"0":
            break
        words[-1] = cursor.decode()  # type: ignore[union-attr]  # likewise
    assert {name.encode() for name in names[1::2]} <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("score", "plain", "shortest"),
    [
        (0.1, b"0.10000000000000001", b"0.1"),
        (1700000000000.7749, b"1700000000000.7749", b"1700000000000.775"),
        (3.0, b"3", b"3"),
        (-2.5, b"-2.5", b"-2.5"),
        (1e17, b"1e+17", b"100000000000000000"),
        (1e300, b"1.0000000000000001e+300", b"1e+300"),
        (1e-7, b"9.9999999999999995e-08", b"1e-7"),
        (math.inf, b"inf", b"inf"),
        (-math.inf, b"-inf", b"-inf"),
    ],
)
def test_scores_are_written_as_before_and_since_7_2(
    score: float, plain: bytes, shortest: bytes
) -> None:
    """With the wrong form, due times differ in the text of replies."""
    assert plain_score(score) == plain
    assert shortest_score(score) == shortest
    for version, text in (((7, 0, 15), plain), ((7, 2, 0), shortest)):
        redis = SimulatedRedis(lambda: START_US, version=version)
        redis.execute(words_of(("ZADD", "z", repr(score), "m")), Session())
        assert redis.execute(words_of(("ZSCORE", "z", "m")), Session()) == text


@given(st.floats(allow_nan=False))
def test_each_score_reads_back(score: float) -> None:
    """Whatever the form, no bit of a score is lost; the short form has no more digits than repr."""
    assert float(plain_score(score)) == float(shortest_score(score)) == score
    digits = sum(one.isdigit() for one in f"{score:.0f}") if score.is_integer() else 30
    assert len(shortest_score(score)) <= max(len(repr(score)), digits) + 2


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=4), max_size=5), st.data())
def test_commands_arrive_in_pieces_of_any_size(
    commands: list[list[bytes]], data: st.DataObject
) -> None:
    """Each is read once, in order, and none before its last byte."""
    sent = b"".join(encode(list(command)) for command in commands)
    reader, got = CommandReader(), list[list[bytes]]()
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        reader.feed(sent[:size])
        sent = sent[size:]
        got += reader.commands()
    assert got == commands


def test_fault_of_the_simulation_is_no_error_of_a_script(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script cannot catch it: it ends the run."""

    def broken(*_: object) -> Reply:
        raise ZeroDivisionError

    monkeypatch.setattr(served.redis, "call_from_script", broken)
    for text in ("return redis.call('GET', 'k')", "pcall(redis.call, 'GET', 'k') return 1"):
        with pytest.raises(ZeroDivisionError):
            served.ask("EVAL", text, 0)
    monkeypatch.undo()
    assert served.ask("EVAL", "return redis.call('GET', 'k')", 0) is None
