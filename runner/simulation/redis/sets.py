"""Commands on sets; those that choose by chance are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.simulation.redis.command import Commands
from runner.simulation.redis.keyspace import Members
from runner.simulation.redis.scanning import cursor_of, scanned

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Keyspace
    from runner.simulation.redis.reply import Reply

COMMANDS: Final = Commands()


@COMMANDS.grow("SADD", -3)
def sadd(db: Keyspace, args: list[bytes]) -> Reply:
    """SADD key member..."""
    held = db.members(args[0])
    if held is None:
        held = db.values[args[0]] = Members()
    before = len(held)
    held.held.update(dict.fromkeys(args[1:]))
    if len(held) > before:
        db.changed(args[0])
    return len(held) - before


@COMMANDS.shrink("SREM", -3)
def srem(db: Keyspace, args: list[bytes]) -> Reply:
    """SREM key member..."""
    held = db.members(args[0])
    if held is None:
        return 0
    before = len(held)
    for member in args[1:]:
        held.held.pop(member, None)
    removed = before - len(held)
    if removed:
        db.after_removal(args[0], held)
    return removed


@COMMANDS.read("SMEMBERS", 2)
def smembers(db: Keyspace, args: list[bytes]) -> Reply:
    """SMEMBERS key, in the order in which they were added."""
    return list(db.members(args[0]) or ())


@COMMANDS.read("SISMEMBER", 3)
def sismember(db: Keyspace, args: list[bytes]) -> Reply:
    """SISMEMBER key member."""
    return int(args[1] in (db.members(args[0]) or ()))


@COMMANDS.read("SMISMEMBER", -3)
def smismember(db: Keyspace, args: list[bytes]) -> Reply:
    """SMISMEMBER key member..."""
    held = db.members(args[0]) or ()
    return [int(member in held) for member in args[1:]]


@COMMANDS.read("SCARD", 2)
def scard(db: Keyspace, args: list[bytes]) -> Reply:
    """SCARD key."""
    return len(db.members(args[0]) or ())


@COMMANDS.read("SSCAN", -3)
def sscan(db: Keyspace, args: list[bytes]) -> Reply:
    """SSCAN key cursor [MATCH pattern] [COUNT count]."""
    start = cursor_of(args[1])
    held = db.members(args[0])
    names = None if held is None else list(held)
    cursor, page = scanned(names, start, args[2:], whole=False)
    return [cursor, list(page)]
