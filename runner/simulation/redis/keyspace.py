"""The keys, their values and when they expire; and who waits for or watches a key."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Protocol, TypeAlias

from runner.simulation.redis.reply import ReplyError
from runner.simulation.redis.sorted_set import SortedSet
from runner.simulation.redis.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator


class Members:
    """A set, in the order in which its members were added."""

    __slots__ = ("held",)

    def __init__(self, held: Iterable[bytes] = ()) -> None:
        self.held: dict[bytes, None] = dict.fromkeys(held)

    def __len__(self) -> int:
        return len(self.held)

    def __contains__(self, member: bytes) -> bool:
        return member in self.held

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.held)

    def copy(self) -> Members:
        """Return a copy."""
        return Members(self.held)


List: TypeAlias = deque[bytes]
Hash: TypeAlias = dict[bytes, bytes]
Value: TypeAlias = bytes | List | Hash | Members | SortedSet | Stream

WRONG_TYPE = ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value")

TYPE_NAMES: dict[type, bytes] = {
    bytes: b"string",
    deque: b"list",
    dict: b"hash",
    Members: b"set",
    SortedSet: b"zset",
    Stream: b"stream",
}


class Watcher(Protocol):
    """Who watches keys: told that one changed."""

    spoilt: bool


class Keyspace:
    """
    One database.

    now_ms: the time, which the server sets before each command; it stands still within a script.
    modern: whether it answers as Redis does since 7.0.
    changes: how many keys were changed so far.
    """

    def __init__(self, score_text: Callable[[float], bytes], *, modern: bool) -> None:
        self.modern = modern
        self.values: dict[bytes, Value] = {}
        self.expires: dict[bytes, int] = {}
        self.now_ms = 0
        self.changes = 0
        self.watched: dict[bytes, list[Watcher]] = {}
        self.awaited: Container[bytes] = ()
        """Keys that sessions wait for; kept by the server."""
        self.pushed: dict[bytes, None] = {}
        """Awaited lists that got an element since the server last looked."""
        self.score_text = score_text
        self._due: list[tuple[int, bytes]] = []

    def advance(self, now_ms: int) -> None:
        """Set the time, and remove what expired by then; the clock may also have gone back."""
        self.now_ms = now_ms
        due = self._due
        while due and due[0][0] < now_ms:
            when, key = heappop(due)
            if self.expires.get(key) == when:
                self.remove(key)

    def changed(self, key: bytes) -> None:
        """Note a change of a key, and spoil the transactions of those that watch it."""
        self.changes += 1
        if key in self.watched:
            for watcher in self.watched[key]:
                watcher.spoilt = True

    def expire_at(self, key: bytes, when_ms: int) -> None:
        """Let a key expire once it is later than *when_ms*."""
        self.expires[key] = when_ms
        heappush(self._due, (when_ms, key))

    def remove(self, key: bytes) -> bool:
        """Remove a key; whether it was there."""
        if self.values.pop(key, None) is None:
            return False
        self.expires.pop(key, None)
        self.changed(key)
        return True

    def clear(self) -> None:
        """Remove every key."""
        for key in list(self.values):
            self.remove(key)

    def replace(self, values: dict[bytes, Value], expires: dict[bytes, int]) -> None:
        """Take over other contents; nobody watches or waits afterwards."""
        self.values, self.expires = values, expires
        self._due = [(when, key) for key, when in expires.items()]
        heapify(self._due)
        self.watched, self.pushed = {}, {}

    def after_removal(self, key: bytes, value: Value) -> None:
        """Note that elements of *value* were removed; an empty value is no key."""
        if value:
            self.changed(key)
        else:
            self.remove(key)

    def string(self, key: bytes) -> bytes | None:
        """Return a string, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is bytes:
            return value
        raise WRONG_TYPE

    def set_string(self, key: bytes, value: bytes) -> None:
        """Set a string and keep when it expires."""
        self.values[key] = value
        self.changed(key)

    def hash(self, key: bytes) -> Hash | None:
        """Return a hash, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is dict:
            return value
        raise WRONG_TYPE

    def list(self, key: bytes) -> List | None:
        """Return a list, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is deque:
            return value
        raise WRONG_TYPE

    def members(self, key: bytes) -> Members | None:
        """Return a set, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is Members:
            return value
        raise WRONG_TYPE

    def sorted_set(self, key: bytes) -> SortedSet | None:
        """Return a sorted set, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is SortedSet:
            return value
        raise WRONG_TYPE

    def stream(self, key: bytes) -> Stream | None:
        """Return a stream, or None if there is no key."""
        value = self.values.get(key)
        if value is None or type(value) is Stream:
            return value
        raise WRONG_TYPE


def copied(value: Value) -> Value:
    """Return a copy of a value that shares nothing that changes."""
    return value if isinstance(value, bytes) else value.copy()
