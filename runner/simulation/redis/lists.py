"""Commands on lists; a server serves blocked sessions after them."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from runner.simulation.redis.arguments import SYNTAX, integer, part
from runner.simulation.redis.command import Commands
from runner.simulation.redis.reply import NIL_ARRAY, OK, Reply, ReplyError

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Keyspace, List

COMMANDS: Final = Commands()

_NOT_POSITIVE = ReplyError("ERR value is out of range, must be positive")


def _push(db: Keyspace, args: list[bytes], *, left: bool, only_there: bool = False) -> int:
    key = args[0]
    held = db.list(key)
    if held is None:
        if only_there:
            return 0
        held = db.values[key] = deque()
    if left:
        held.extendleft(args[1:])
    else:
        held.extend(args[1:])
    length = len(held)
    db.changed(key)
    if key in db.awaited:
        db.pushed[key] = None
    return length


@COMMANDS.grow("LPUSH", -3)
def lpush(db: Keyspace, args: list[bytes]) -> Reply:
    """LPUSH key element..."""
    return _push(db, args, left=True)


@COMMANDS.grow("RPUSH", -3)
def rpush(db: Keyspace, args: list[bytes]) -> Reply:
    """RPUSH key element..."""
    return _push(db, args, left=False)


@COMMANDS.grow("LPUSHX", -3)
def lpushx(db: Keyspace, args: list[bytes]) -> Reply:
    """LPUSHX key element..."""
    return _push(db, args, left=True, only_there=True)


@COMMANDS.grow("RPUSHX", -3)
def rpushx(db: Keyspace, args: list[bytes]) -> Reply:
    """RPUSHX key element..."""
    return _push(db, args, left=False, only_there=True)


def _pop(db: Keyspace, args: list[bytes], *, left: bool, name: bytes) -> Reply:
    if len(args) > 2:  # noqa: PLR2004 -- a key and a count
        raise ReplyError(b"ERR wrong number of arguments for '%b' command" % name)
    count = integer(args[1], _NOT_POSITIVE) if len(args) > 1 else None
    if count is not None and count < 0:
        raise _NOT_POSITIVE
    held = db.list(args[0])
    if held is None:
        return None if count is None else NIL_ARRAY
    taken = [
        taken_from(held, left=left) for _ in range(min(1 if count is None else count, len(held)))
    ]
    if taken:
        db.after_removal(args[0], held)
    return taken[0] if count is None else list(taken)


def taken_from(held: List, *, left: bool) -> bytes:
    """Take the first or the last element."""
    return held.popleft() if left else held.pop()


@COMMANDS.shrink("LPOP", -2)
def lpop(db: Keyspace, args: list[bytes]) -> Reply:
    """LPOP key [count]."""
    return _pop(db, args, left=True, name=b"lpop")


@COMMANDS.shrink("RPOP", -2)
def rpop(db: Keyspace, args: list[bytes]) -> Reply:
    """RPOP key [count]."""
    return _pop(db, args, left=False, name=b"rpop")


@COMMANDS.read("LLEN", 2)
def llen(db: Keyspace, args: list[bytes]) -> Reply:
    """LLEN key."""
    return len(db.list(args[0]) or ())


@COMMANDS.read("LINDEX", 3)
def lindex(db: Keyspace, args: list[bytes]) -> Reply:
    """LINDEX key index."""
    held = db.list(args[0])
    if held is None:
        return None
    at = integer(args[1])
    return held[at] if -len(held) <= at < len(held) else None


@COMMANDS.read("LRANGE", 4)
def lrange(db: Keyspace, args: list[bytes]) -> Reply:
    """LRANGE key start stop."""
    start, stop = integer(args[1]), integer(args[2])
    held = db.list(args[0])
    return [] if held is None else list(islice(held, *part(start, stop, len(held))))


@COMMANDS.shrink("LTRIM", 4)
def ltrim(db: Keyspace, args: list[bytes]) -> Reply:
    """LTRIM key start stop."""
    start, stop = integer(args[1]), integer(args[2])
    held = db.list(args[0])
    if held is None:
        return OK
    start, stop = part(start, stop, len(held))
    if start >= stop:
        held.clear()
    else:
        for _ in range(len(held) - stop):
            held.pop()
        for _ in range(start):
            held.popleft()
    db.after_removal(args[0], held)
    return OK


@COMMANDS.grow("LSET", 4)
def lset(db: Keyspace, args: list[bytes]) -> Reply:
    """LSET key index element."""
    held = db.list(args[0])
    if held is None:
        raise ReplyError("ERR no such key")
    at = integer(args[1])
    if not -len(held) <= at < len(held):
        raise ReplyError("ERR index out of range")
    held[at] = args[2]
    db.changed(args[0])
    return OK


@COMMANDS.shrink("LREM", 4)
def lrem(db: Keyspace, args: list[bytes]) -> Reply:
    """LREM key count element."""
    count = integer(args[1])
    held = db.list(args[0])
    if held is None:
        return 0
    most = abs(count) or len(held)
    kept: List = deque()
    removed = 0
    for element in reversed(held) if count < 0 else held:
        if element == args[2] and removed < most:
            removed += 1
        else:
            kept.append(element)
    if removed:
        if count < 0:
            kept.reverse()
        db.values[args[0]] = kept
        db.after_removal(args[0], kept)
    return removed


def _side(word: bytes) -> bool:
    if word.upper() not in {b"LEFT", b"RIGHT"}:
        raise SYNTAX
    return word.upper() == b"LEFT"


@COMMANDS.grow("LMOVE", 5)
def lmove(db: Keyspace, args: list[bytes]) -> Reply:
    """LMOVE source destination LEFT|RIGHT LEFT|RIGHT."""
    source, target = args[0], args[1]
    from_left, to_left = _side(args[2]), _side(args[3])
    held = db.list(source)
    if held is None:
        return None
    db.list(target)
    element = taken_from(held, left=from_left)
    if source == target:
        if to_left:
            held.appendleft(element)
        else:
            held.append(element)
        db.changed(source)
    else:
        db.after_removal(source, held)
        _push(db, [target, element], left=to_left)
    return element
