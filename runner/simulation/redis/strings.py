"""Commands on strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.simulation.redis.arguments import INT_MAX, INT_MIN, SYNTAX, integer, pairs, part
from runner.simulation.redis.command import Commands, wrong_arity
from runner.simulation.redis.reply import OK, Reply, ReplyError

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Keyspace

COMMANDS: Final = Commands()

OVERFLOW = ReplyError("ERR increment or decrement would overflow")
_UNIT_MS: Final = {b"EX": 1000, b"PX": 1, b"EXAT": 1000, b"PXAT": 1}


def deadline(db: Keyspace, text: bytes, unit: bytes, command: bytes, *, positive: bool) -> int:
    """
    Return when a key expires, in ms.

    Raises:
        ReplyError: It is no integer, too large, or not positive where it has to be.
    """
    given = integer(text)
    when = given * _UNIT_MS[unit] + (0 if unit.endswith(b"AT") else db.now_ms)
    if (positive and given <= 0) or not INT_MIN <= when <= INT_MAX:
        form = b"'%b' command" if db.modern else b"%b"
        raise ReplyError(b"ERR invalid expire time in " + form % command)
    return when


def _store(db: Keyspace, key: bytes, value: bytes, when: int | None) -> None:
    """Set a string that expires at *when*, or never; at a time that has passed it is gone."""
    db.values[key] = value
    if when is not None:
        db.expire_at(key, when)
    elif key in db.expires:
        del db.expires[key]
    db.changed(key)
    if when is not None and when < db.now_ms:
        db.remove(key)


@COMMANDS.read("GET", 2)
def get(db: Keyspace, args: list[bytes]) -> Reply:
    """GET key."""
    return db.string(args[0])


@COMMANDS.grow("SET", -3)
def set_(db: Keyspace, args: list[bytes]) -> Reply:
    """SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]."""
    key, value = args[0], args[1]
    if len(args) == 2:  # noqa: PLR2004 -- the short form, and the most frequent
        _store(db, key, value, None)
        return OK
    only, old_wanted, keep, when = b"", False, False, None
    at = 2
    while at < len(args):
        word = args[at].upper()
        at += 1
        if word in {b"NX", b"XX"} and only in {b"", word}:
            only = word
        elif word == b"GET":
            old_wanted = True
        elif word == b"KEEPTTL" and when is None:
            keep = True
        elif word in _UNIT_MS and not keep and when is None and at < len(args):
            when = (word, args[at])
            at += 1
        else:
            raise SYNTAX
    if only == b"NX" and old_wanted and not db.modern:
        raise SYNTAX
    expires = deadline(db, when[1], when[0], b"set", positive=True) if when else None
    old = db.string(key) if old_wanted else None
    if only and (key in db.values) == (only == b"NX"):
        return old
    if keep:
        expires = db.expires.get(key)
    _store(db, key, value, expires)
    return old if old_wanted else OK


@COMMANDS.grow("SETEX", 4)
def setex(db: Keyspace, args: list[bytes]) -> Reply:
    """SETEX key seconds value."""
    _store(db, args[0], args[2], deadline(db, args[1], b"EX", b"setex", positive=True))
    return OK


@COMMANDS.grow("PSETEX", 4)
def psetex(db: Keyspace, args: list[bytes]) -> Reply:
    """PSETEX key milliseconds value."""
    _store(db, args[0], args[2], deadline(db, args[1], b"PX", b"psetex", positive=True))
    return OK


@COMMANDS.grow("SETNX", 3)
def setnx(db: Keyspace, args: list[bytes]) -> Reply:
    """SETNX key value."""
    if args[0] in db.values:
        return 0
    _store(db, args[0], args[1], None)
    return 1


@COMMANDS.grow("GETSET", 3)
def getset(db: Keyspace, args: list[bytes]) -> Reply:
    """GETSET key value."""
    old = db.string(args[0])
    _store(db, args[0], args[1], None)
    return old


@COMMANDS.shrink("GETDEL", 2)
def getdel(db: Keyspace, args: list[bytes]) -> Reply:
    """GETDEL key."""
    old = db.string(args[0])
    if old is not None:
        db.remove(args[0])
    return old


@COMMANDS.shrink("GETEX", -2)
def getex(db: Keyspace, args: list[bytes]) -> Reply:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]."""
    key, options = args[0], args[1:]
    word = options[0].upper() if options else b""
    timed = word in _UNIT_MS and len(options) == 2  # noqa: PLR2004 -- the unit and its number
    if options and not timed and (word != b"PERSIST" or len(options) > 1):
        raise SYNTAX
    value = db.string(key)
    if value is None or not options:
        return value
    if not timed:
        if db.expires.pop(key, None) is not None:
            db.changed(key)
        return value
    when = deadline(db, options[1], word, b"getex", positive=True)
    if when < db.now_ms:
        db.remove(key)
    else:
        db.expire_at(key, when)
        db.changed(key)
    return value


@COMMANDS.read("MGET", -2)
def mget(db: Keyspace, args: list[bytes]) -> Reply:
    """MGET key..., with None for keys that are absent or no strings."""
    values = db.values
    found = [values.get(key) for key in args]
    return [value if type(value) is bytes else None for value in found]


@COMMANDS.grow("MSET", -3)
def mset(db: Keyspace, args: list[bytes]) -> Reply:
    """MSET key value..."""
    if len(args) % 2:
        raise _wrong_pairs(db, b"mset")
    for key, value in pairs(args):
        _store(db, key, value, None)
    return OK


@COMMANDS.grow("MSETNX", -3)
def msetnx(db: Keyspace, args: list[bytes]) -> Reply:
    """MSETNX key value...: all of them, or none if one is there."""
    if len(args) % 2:
        raise _wrong_pairs(db, b"msetnx")
    if any(key in db.values for key in args[::2]):
        return 0
    for key, value in pairs(args):
        _store(db, key, value, None)
    return 1


def _wrong_pairs(db: Keyspace, name: bytes) -> ReplyError:
    """Before 7.0 both commands were called MSET here."""
    return wrong_arity(name) if db.modern else ReplyError("ERR wrong number of arguments for MSET")


def _increment(db: Keyspace, key: bytes, by: int) -> int:
    text = db.string(key)
    value = by if text is None else integer(text) + by
    if not INT_MIN <= value <= INT_MAX:
        raise OVERFLOW
    db.set_string(key, b"%d" % value)
    return value


@COMMANDS.grow("INCR", 2)
def incr(db: Keyspace, args: list[bytes]) -> Reply:
    """INCR key."""
    return _increment(db, args[0], 1)


@COMMANDS.grow("DECR", 2)
def decr(db: Keyspace, args: list[bytes]) -> Reply:
    """DECR key."""
    return _increment(db, args[0], -1)


@COMMANDS.grow("INCRBY", 3)
def incrby(db: Keyspace, args: list[bytes]) -> Reply:
    """INCRBY key increment."""
    return _increment(db, args[0], integer(args[1]))


@COMMANDS.grow("DECRBY", 3)
def decrby(db: Keyspace, args: list[bytes]) -> Reply:
    """DECRBY key decrement."""
    by = integer(args[1])
    if by != INT_MIN:
        by = -by
    elif db.modern:
        raise ReplyError("ERR decrement would overflow")
    return _increment(db, args[0], by)


@COMMANDS.grow("APPEND", 3)
def append(db: Keyspace, args: list[bytes]) -> Reply:
    """APPEND key value."""
    value = (db.string(args[0]) or b"") + args[1]
    db.set_string(args[0], value)
    return len(value)


@COMMANDS.read("STRLEN", 2)
def strlen(db: Keyspace, args: list[bytes]) -> Reply:
    """STRLEN key."""
    return len(db.string(args[0]) or b"")


@COMMANDS.read("GETRANGE", 4)
def getrange(db: Keyspace, args: list[bytes]) -> Reply:
    """GETRANGE key start end."""
    start, stop = integer(args[1]), integer(args[2])
    value = db.string(args[0]) or b""
    if start < 0 and stop < 0 and start > stop:
        return b""
    start, stop = part(start, max(stop, -len(value)), len(value))
    return value[start:stop]
