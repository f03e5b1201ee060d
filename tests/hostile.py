"""
What may stand in Redis and is none of ours: for each key of the runner, the states to try.

A state either replaces what stands at a key by another type, or adds to it what nobody of ours
writes: bytes that are no text, no numbers, numbers out of range, values of a megabyte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.broker import key_types, keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

QUEUE = "default"
PATTERNS = (
    *(keys.ARQ.base + key for key in (*key_types.SHARED, *key_types.OF_OPERATORS)),
    *(keys.ARQ.queue_key(QUEUE) + suffix for suffix in (*key_types.OF_QUEUE, keys.PAUSED_SUFFIX)),
    keys.ARQ.queue_key(QUEUE) + ":parked:*",
    *(keys.ARQ.base + prefix + "*" for prefix in key_types.BY_PREFIX),
    *(f"{keys.ARQ.batch_prefix}*{suffix}" for suffix in key_types.OF_BATCH),
    keys.ARQ.aside,
    keys.ARQ.aside + "-untold",
)
"""Every key of the runner: by its name, or `*` for what follows it."""

_WRITES = {
    "string": ("SET", "odd"),
    "list": ("RPUSH", "odd", "odd"),
    "hash": ("HSET", "odd", "odd"),
    "set": ("SADD", "odd"),
    "zset": ("ZADD", "1", "odd"),
    "stream": ("XADD", "1-1", "odd", "odd"),
}
_MB = 1_000_000
_VALUES = {
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
    "no number": b"nan",
    "a number out of range": b"9" * 40,
    "a negative number": b"-1",
    "JSON of another form": b'{"t":"x","f":1,"a":2,"k":[],"et":"x","s":1,"r":[],"at_ms":1e300}',
    "JSON that is nested": b'{"f":' + b"[" * 100_000,
    "a megabyte": b"9" * _MB,
}
_MEMBERS: dict[str, dict[bytes, Any]] = {
    "no text": {b"\xff\xfe": 1.0, b"": 2.0},
    "no finite time": {b"past": "-inf", b"future": "inf"},
    "no time of a calendar": {b"past": -1e300, b"future": 1e300},
    "a megabyte": {b"9" * _MB: 1.0},
}
_ENTRIES = {
    "no text": (b"*", b"\xff", b"\xfe"),
    "no fields of ours": (b"*", b"odd", b"odd"),
    "the future": (b"18446744073709551000-1", b"odd", b"odd"),
    "a megabyte": (b"*", b"odd", b"9" * _MB),
}


@dataclass(frozen=True, slots=True)
class State:
    """What is put at a key of such a type; wrong: in place of what stands there."""

    name: str
    wrong: bool
    commands: tuple[tuple[Any, ...], ...]

    async def put(self, redis: Redis, key: str | bytes, fields: tuple[bytes, ...] = ()) -> None:
        """Write it. fields: names that a hash would have."""
        if self.wrong:
            await redis.delete(key)
        for command, *rest in self.commands:
            for words in _filled(rest, fields):
                if command == "XADD" and await redis.exists(key):
                    await redis.delete(key)  # no entry goes before the last one
                await redis.execute_command(command, key, *words)  # type: ignore[no-untyped-call]


def _filled(words: list[Any], fields: tuple[bytes, ...]) -> Iterator[list[Any]]:
    if words[0] is not None:
        yield words
        return
    for field in (*fields, b"odd", b"\xff", b"default|odd", b"|"):
        yield [field, *words[1:]]


def states(kind: str) -> list[State]:
    """Return what is put at a key of the type *kind*."""
    others = [other for other in ("string", "list", "zset") if other != kind][:2]
    found = [
        State(f"a {other} for a {kind}", wrong=True, commands=(_WRITES[other],)) for other in others
    ]
    commands: dict[str, list[tuple[Any, ...]]] = {}
    match kind:
        case "zset":
            for name, members in _MEMBERS.items():
                commands[name] = [("ZADD", score, member) for member, score in members.items()]
        case "stream":
            commands = {name: [("XADD", *words)] for name, words in _ENTRIES.items()}
        case "hash":
            commands = {name: [("HSET", None, value)] for name, value in _VALUES.items()}
        case _:
            command = {"string": "SET", "list": "RPUSH", "set": "SADD"}[kind]
            commands = {name: [(command, value)] for name, value in _VALUES.items()}
    return found + [
        State(f"{kind}: {name}", wrong=False, commands=tuple(c)) for name, c in commands.items()
    ]


def type_of(pattern: str) -> str:
    """Return the type that a key of *pattern* has."""
    queue_key = keys.ARQ.queue_key(QUEUE)
    if pattern.startswith(queue_key):
        return key_types.OF_QUEUE.get(
            pattern.removeprefix(queue_key),
            "string" if pattern.endswith(keys.PAUSED_SUFFIX) else "zset",
        )
    fixed = {keys.ARQ.aside: "zset", keys.ARQ.aside + "-untold": "list"}
    kind = fixed.get(pattern) or key_types.type_of(keys.ARQ.bare(pattern).replace("*", "x"))
    assert kind is not None, pattern
    return kind
