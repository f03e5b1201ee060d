"""The simulated Redis beside a real one: the same commands, and where their replies differ."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hiredis import Reader, ReplyError, pack_command

from runner.simulation.redis import Session, SimulatedRedis, Trouble, encode

if TYPE_CHECKING:
    from tests.redis_server import RedisServer

OPTIONS = (
    # Hashes stay lists of pairs, in the order in which fields were added; streams are cut by count.
    *("--hash-max-ziplist-entries", "100000"),
    *("--hash-max-ziplist-value", "100000"),
    *("--stream-node-max-bytes", "0"),
)
"""With these a real server does in a fixed order what it does in a salted one otherwise."""

UNORDERED = frozenset({b"SMEMBERS", b"KEYS", b"SCAN", b"SSCAN"})
TIMES_LEFT = frozenset({b"PTTL", b"TTL"})
NOW = "fuzz:now"
"""A hash with the time, which scripts read on both sides in place of TIME."""

_CHUNK = 2000
_SLACK_MS = 60_000
_READ = {
    b"string": ("GET", ()),
    b"hash": ("HGETALL", ()),
    b"list": ("LRANGE", ("0", "-1")),
    b"set": ("SMEMBERS", ()),
    b"zset": ("ZRANGE", ("0", "-1", "WITHSCORES")),
    b"stream": ("XRANGE", ("-", "+")),
}
_TROUBLES = {
    Trouble.FULL: (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    Trouble.READ_ONLY: (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}


def words_of(command: tuple[Any, ...]) -> list[bytes]:
    """Return a command's words as a client sends them."""
    return [word if isinstance(word, bytes) else str(word).encode() for word in command]


def _packed(command: tuple[Any, ...]) -> bytes:
    words: tuple[Any, ...] = tuple(words_of(command))
    packed: bytes = pack_command(words)
    return packed


class Connection:
    """A connection to a real server; replies are as hiredis reads them, errors included."""

    def __init__(self, server: RedisServer) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=30)
        self._reader = Reader()

    def ask(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Return the replies to commands that are sent at once."""
        self.send(*commands)
        return [self.read() for _ in commands]

    def send(self, *commands: tuple[Any, ...]) -> None:
        """Send commands."""
        self._socket.sendall(b"".join(_packed(one) for one in commands))

    def read(self) -> Any:
        """Return the next reply."""
        while (reply := self._reader.gets()) is False:
            received = self._socket.recv(1 << 16)
            if not received:
                raise ConnectionError("the real server closed the connection")
            self._reader.feed(received)
        return reply

    @staticmethod
    def reader_of(data: bytes) -> Any:
        """Return the reply that a client reads from *data*."""
        reader = Reader()
        reader.feed(data)
        return reader.gets()

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@dataclass
class Difference:
    """A command that the two answered differently."""

    command: list[bytes]
    simulated: Any
    real: Any
    before: list[list[bytes]]

    def __str__(self) -> str:
        shown = "\n  ".join(repr([word[:300] for word in one]) for one in self.before)
        return (
            f"{[word[:2000] for word in self.command]}\n simulated {self.simulated!r}\n"
            f" real      {self.real!r}\n after\n  {shown}"
        )


def plain(reply: Any) -> Any:
    """Return a reply as hiredis reads it, with its errors in a form that can be compared."""
    if isinstance(reply, list):
        return [plain(one) for one in reply]
    return ("error", _comparable(str(reply))) if isinstance(reply, ReplyError) else reply


def _comparable(text: str) -> str:
    """An error's whole text; its first word where it names what the simulation leaves out."""
    return text.partition(" ")[0] if "nknown" in text and "subcommand" in text else text


class Pair:
    """
    A simulated server and a real one of the same version, with one history.

    Commands run on the simulated one at once, and on the real one, many at a time, in `compare`.
    Keys of the real one expire by hand: their real time to live is far too long to pass here.
    """

    def __init__(self, server: RedisServer) -> None:
        self.real = Connection(server)
        info = self.real.ask(("INFO", "server"))[0].decode()
        texts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        self.is_valkey = "valkey_version" in texts
        version = tuple(int(number) for number in texts["redis_version"].split("."))
        self.now_us = 0
        self.redis = SimulatedRedis(lambda: self.now_us, version=version)  # type: ignore[arg-type]  # three numbers
        self.session = Session()
        self._reader = Reader()
        self.calls = 0
        self.differences: list[Difference] = []
        self._sent: list[tuple[list[bytes], Any]] = []
        self._history: list[list[bytes]] = []
        self._given_ms: dict[bytes, tuple[int, int]] = {}
        self._began = 0.0

    def begin(self) -> None:
        """Start another history, empty, at the real time."""
        self.trouble(None)
        self.now_us = time.time_ns() // 1000
        self._began = time.monotonic()
        self._given_ms, self._history = {}, []
        self.run("FLUSHALL")
        self.run("SCRIPT", "FLUSH")

    def trouble(self, trouble: Trouble | None) -> None:
        """Put both into a state in which they refuse commands, or out of it."""
        before, self.redis.trouble = self.redis.trouble, trouble
        if before is not trouble:
            for one in [_TROUBLES[before][1]] if before else []:
                self._on_real_alone(*one)
            for one in [_TROUBLES[trouble][0]] if trouble else []:
                self._on_real_alone(*one)

    def move_clock(self, by_us: int) -> None:
        """Let time pass on both, or go back; what has expired by then is gone."""
        self.now_us += by_us
        now_ms = self.now_us // 1000
        gone = [key for key, when in self.redis.db.expires.items() if when < now_ms]
        if gone:
            self._on_real_alone("DEL", *gone)
        trouble = self.redis.trouble
        self.trouble(None)
        self.run("HSET", NOW, "s", self.now_us // 1_000_000, "us", self.now_us % 1_000_000)
        self.trouble(trouble)

    def run(self, *command: Any) -> Any:
        """Run a command on the simulated server, and note it for the real one."""
        words = words_of(command)
        before = dict(self.redis.db.expires)
        reply = self.redis.execute(words, self.session)
        for key, when in self.redis.db.expires.items():
            if before.get(key) != when:
                self._given_ms[key] = (when - self.now_us // 1000, when)
        self._reader.feed(encode(reply))
        self._sent.append((words, plain(self._reader.gets())))
        self.calls += 1
        return reply

    def _on_real_alone(self, *command: Any) -> None:
        self._sent.append((words_of(command), ...))

    def compare(self) -> None:
        """Run what was noted on the real server, and compare each reply."""
        sent, self._sent = self._sent, []
        for at in range(0, len(sent), _CHUNK):
            chunk = sent[at : at + _CHUNK]
            replies = self.real.ask(*[tuple(words) for words, _ in chunk])
            for (words, simulated), raw in zip(chunk, replies, strict=True):
                real = plain(raw)
                if simulated is not ... and not self._same(words, simulated, real):
                    before = self._history_of(words[1:2])[-12:]
                    self.differences.append(Difference(words, simulated, real, before))
                self._history.append(words)

    def _same(self, words: list[bytes], simulated: Any, real: Any) -> bool:
        name = words[0].upper()
        if name in UNORDERED and isinstance(simulated, list) and isinstance(real, list):
            return _sorted(simulated) == _sorted(real)
        if name in TIMES_LEFT and isinstance(simulated, int) and isinstance(real, int):
            return simulated == real or (
                min(simulated, real) > 0 and abs(simulated - real) <= _SLACK_MS
            )
        return bool(simulated == real)

    def compare_contents(self) -> None:
        """Compare all keys: names, values, and their times to live."""
        self.trouble(None)
        self.compare()
        self.run("KEYS", "*")
        values = self.redis.db.values
        for key in sorted(values):
            (kind,) = {words_of((self.redis.execute([b"TYPE", key], self.session),))[0]}
            self.run("TYPE", key)
            command, rest = _READ[kind]
            self.run(command, key, *rest)
        self.compare()
        keys = sorted(values)
        real = self.real.ask(*[("PTTL", key) for key in keys]) if keys else []
        passed_ms = (time.monotonic() - self._began) * 1000 + 1000
        for key, left in zip(keys, real, strict=True):
            when = self.redis.db.expires.get(key)
            given = None if when is None else self._given_ms[key][0]
            fits = left == -1 if given is None else given - passed_ms <= left <= given + 1000
            if not fits:
                asked = words_of(("PTTL", key))
                before = self._history_of([key])[-12:]
                self.differences.append(Difference(asked, given, left, before))

    def _history_of(self, key: list[bytes]) -> list[list[bytes]]:
        """Return the commands before that name a key, or all if there is none."""
        return [one for one in self._history if not key or key[0] in one]

    def close(self) -> None:
        """Close the connection."""
        self.real.close()


def _sorted(reply: list[Any]) -> list[Any]:
    if len(reply) == 2 and isinstance(reply[1], list):
        return [reply[0], sorted(reply[1])]
    return sorted(reply, key=repr)
