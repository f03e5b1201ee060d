"""Commands on hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.simulation.redis.arguments import INT_MAX, INT_MIN, integer, pairs
from runner.simulation.redis.command import Commands, wrong_arity
from runner.simulation.redis.reply import OK, Reply, ReplyError
from runner.simulation.redis.scanning import cursor_of, scanned
from runner.simulation.redis.strings import OVERFLOW

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Hash, Keyspace

COMMANDS: Final = Commands()

_SMALL = 512
"""Fields up to which Redis scans a hash in one page, unless one of them is long."""


def _to_fill(db: Keyspace, key: bytes) -> Hash:
    found = db.hash(key)
    if found is None:
        found = db.values[key] = {}
    return found


@COMMANDS.grow("HSET", -4)
def hset(db: Keyspace, args: list[bytes]) -> Reply:
    """HSET key field value...; returns how many fields are new."""
    if len(args) % 2 == 0:
        raise wrong_arity(b"hset")
    held = _to_fill(db, args[0])
    before = len(held)
    held.update(pairs(args[1:]))
    db.changed(args[0])
    return len(held) - before


@COMMANDS.grow("HMSET", -4)
def hmset(db: Keyspace, args: list[bytes]) -> Reply:
    """HMSET key field value..."""
    if len(args) % 2 == 0:
        raise wrong_arity(b"hmset")
    _to_fill(db, args[0]).update(pairs(args[1:]))
    db.changed(args[0])
    return OK


@COMMANDS.grow("HSETNX", 4)
def hsetnx(db: Keyspace, args: list[bytes]) -> Reply:
    """HSETNX key field value."""
    held = _to_fill(db, args[0])
    if args[1] in held:
        return 0
    held[args[1]] = args[2]
    db.changed(args[0])
    return 1


@COMMANDS.read("HGET", 3)
def hget(db: Keyspace, args: list[bytes]) -> Reply:
    """HGET key field."""
    return (db.hash(args[0]) or {}).get(args[1])


@COMMANDS.read("HMGET", -3)
def hmget(db: Keyspace, args: list[bytes]) -> Reply:
    """HMGET key field..."""
    held = db.hash(args[0]) or {}
    return [held.get(field) for field in args[1:]]


@COMMANDS.read("HGETALL", 2)
def hgetall(db: Keyspace, args: list[bytes]) -> Reply:
    """HGETALL key."""
    return [part for pair in (db.hash(args[0]) or {}).items() for part in pair]


@COMMANDS.read("HKEYS", 2)
def hkeys(db: Keyspace, args: list[bytes]) -> Reply:
    """HKEYS key."""
    return list(db.hash(args[0]) or {})


@COMMANDS.read("HVALS", 2)
def hvals(db: Keyspace, args: list[bytes]) -> Reply:
    """HVALS key."""
    return list((db.hash(args[0]) or {}).values())


@COMMANDS.read("HLEN", 2)
def hlen(db: Keyspace, args: list[bytes]) -> Reply:
    """HLEN key."""
    return len(db.hash(args[0]) or ())


@COMMANDS.read("HEXISTS", 3)
def hexists(db: Keyspace, args: list[bytes]) -> Reply:
    """HEXISTS key field."""
    return int(args[1] in (db.hash(args[0]) or ()))


@COMMANDS.read("HSTRLEN", 3)
def hstrlen(db: Keyspace, args: list[bytes]) -> Reply:
    """HSTRLEN key field."""
    return len((db.hash(args[0]) or {}).get(args[1], b""))


@COMMANDS.shrink("HDEL", -3)
def hdel(db: Keyspace, args: list[bytes]) -> Reply:
    """HDEL key field..."""
    held = db.hash(args[0])
    if held is None:
        return 0
    removed = sum(held.pop(field, None) is not None for field in args[1:])
    if removed:
        db.after_removal(args[0], held)
    return removed


@COMMANDS.grow("HINCRBY", 4)
def hincrby(db: Keyspace, args: list[bytes]) -> Reply:
    """HINCRBY key field increment."""
    by = integer(args[2])
    held = db.hash(args[0])
    text = held.get(args[1]) if held else None
    value = by + (
        0 if text is None else integer(text, ReplyError("ERR hash value is not an integer"))
    )
    if not INT_MIN <= value <= INT_MAX:
        raise OVERFLOW
    _to_fill(db, args[0])[args[1]] = b"%d" % value
    db.changed(args[0])
    return value


@COMMANDS.read("HSCAN", -3)
def hscan(db: Keyspace, args: list[bytes]) -> Reply:
    """HSCAN key cursor [MATCH pattern] [COUNT count]."""
    start = cursor_of(args[1])
    found = db.hash(args[0])
    held = found or {}
    names = None if found is None else list(held)
    cursor, fields = scanned(names, start, args[2:], whole=len(held) <= _SMALL)
    return [cursor, [part for field in fields for part in (field, held[field])]]
