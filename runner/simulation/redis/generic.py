"""Commands on keys of any type, and on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.simulation.redis.arguments import SYNTAX, glob
from runner.simulation.redis.command import Commands, wrong_arity
from runner.simulation.redis.keyspace import TYPE_NAMES, copied
from runner.simulation.redis.reply import OK, Reply, ReplyError, Status
from runner.simulation.redis.scanning import cursor_of, scanned
from runner.simulation.redis.strings import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.simulation.redis.keyspace import Keyspace

COMMANDS: Final = Commands()

_NO_SUCH_KEY = ReplyError("ERR no such key")


@COMMANDS.shrink("DEL", -2)
def delete(db: Keyspace, args: list[bytes]) -> Reply:
    """DEL key..."""
    return sum(db.remove(key) for key in args)


@COMMANDS.shrink("UNLINK", -2)
def unlink(db: Keyspace, args: list[bytes]) -> Reply:
    """UNLINK key..."""
    return delete(db, args)


@COMMANDS.read("EXISTS", -2)
def exists(db: Keyspace, args: list[bytes]) -> Reply:
    """EXISTS key..., counting a key as often as it is named."""
    return sum(key in db.values for key in args)


@COMMANDS.read("TOUCH", -2)
def touch(db: Keyspace, args: list[bytes]) -> Reply:
    """TOUCH key..."""
    return exists(db, args)


@COMMANDS.read("TYPE", 2)
def type_(db: Keyspace, args: list[bytes]) -> Reply:
    """TYPE key."""
    value = db.values.get(args[0])
    return Status(b"none" if value is None else TYPE_NAMES[type(value)])


def _expiring(name: str, unit: bytes) -> Callable[[Keyspace, list[bytes]], Reply]:
    command = name.lower().encode()

    def expire(db: Keyspace, args: list[bytes]) -> Reply:
        key = args[0]
        if len(args) > 2 and not db.modern:  # noqa: PLR2004 -- a key and a time
            raise wrong_arity(command)
        flags = _expiry_flags(args[2:])
        when = deadline(db, args[1], unit, command, positive=False)
        if key not in db.values or not _may_expire(db.expires.get(key), when, flags):
            return 0
        if when <= db.now_ms:
            db.remove(key)
        else:
            db.expire_at(key, when)
            db.changed(key)
        return 1

    return expire


def _expiry_flags(words: list[bytes]) -> set[bytes]:
    flags = {word.upper() for word in words}
    for word in words:
        if word.upper() not in {b"NX", b"XX", b"GT", b"LT"}:
            raise ReplyError(b"ERR Unsupported option %b" % word.partition(b"\0")[0])
    if b"NX" in flags and len(flags) > 1:
        raise ReplyError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if flags >= {b"GT", b"LT"}:
        raise ReplyError("ERR GT and LT options at the same time are not compatible")
    return flags


def _may_expire(before: int | None, when: int, flags: set[bytes]) -> bool:
    if before is None:
        # It never expires: later than any time.
        return not flags & {b"XX", b"GT"}
    if b"NX" in flags or (b"GT" in flags and when <= before):
        return False
    return b"LT" not in flags or when < before


for _name, _unit in {
    "EXPIRE": b"EX",
    "PEXPIRE": b"PX",
    "EXPIREAT": b"EXAT",
    "PEXPIREAT": b"PXAT",
}.items():
    COMMANDS.shrink(_name, -3)(_expiring(_name, _unit))


@COMMANDS.shrink("PERSIST", 2)
def persist(db: Keyspace, args: list[bytes]) -> Reply:
    """PERSIST key."""
    if db.expires.pop(args[0], None) is None:
        return 0
    db.changed(args[0])
    return 1


def _left(db: Keyspace, key: bytes) -> int:
    if key not in db.values:
        return -2
    when = db.expires.get(key)
    return -1 if when is None else max(0, when - db.now_ms)


@COMMANDS.read("PTTL", 2)
def pttl(db: Keyspace, args: list[bytes]) -> Reply:
    """PTTL key."""
    return _left(db, args[0])


@COMMANDS.read("TTL", 2)
def ttl(db: Keyspace, args: list[bytes]) -> Reply:
    """TTL key, rounded."""
    left = _left(db, args[0])
    return left if left < 0 else (left + 500) // 1000


@COMMANDS.shrink("RENAME", 3)
def rename(db: Keyspace, args: list[bytes]) -> Reply:
    """RENAME key newkey."""
    source, target = args
    if source not in db.values:
        raise _NO_SUCH_KEY
    if source != target:
        _move(db, source, target)
    return OK


@COMMANDS.shrink("RENAMENX", 3)
def renamenx(db: Keyspace, args: list[bytes]) -> Reply:
    """RENAMENX key newkey."""
    source, target = args
    if source not in db.values:
        raise _NO_SUCH_KEY
    if target in db.values:
        return 0
    _move(db, source, target)
    return 1


def _move(db: Keyspace, source: bytes, target: bytes) -> None:
    value, when = db.values[source], db.expires.get(source)
    db.remove(source)
    _put(db, target, value, when)


def _put(db: Keyspace, key: bytes, value: object, when: int | None) -> None:
    db.remove(key)
    db.values[key] = value  # type: ignore[assignment]  # it was a value of another key
    if when is not None:
        db.expire_at(key, when)
    db.changed(key)
    if key in db.awaited:
        db.pushed[key] = None


@COMMANDS.grow("COPY", -3)
def copy(db: Keyspace, args: list[bytes]) -> Reply:
    """COPY source destination [REPLACE]."""
    source, target, options = args[0], args[1], args[2:]
    if any(word.upper() != b"REPLACE" for word in options):
        raise SYNTAX
    if source == target:
        raise ReplyError("ERR source and destination objects are the same")
    value = db.values.get(source)
    if value is None or (target in db.values and not options):
        return 0
    _put(db, target, copied(value), db.expires.get(source))
    return 1


@COMMANDS.read("KEYS", 2)
def keys(db: Keyspace, args: list[bytes]) -> Reply:
    """KEYS pattern."""
    matches = glob(args[0]).fullmatch
    return [key for key in db.values if matches(key)]


@COMMANDS.read("SCAN", -2)
def scan(db: Keyspace, args: list[bytes]) -> Reply:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]."""
    options, kind = [], None
    for at in range(1, len(args), 2):
        if args[at].upper() == b"TYPE" and at + 1 < len(args):
            kind = args[at + 1].lower()
        else:
            options += args[at : at + 2]
    cursor, page = scanned(list(db.values), cursor_of(args[0]), options, whole=False)
    if kind is not None:
        page = [key for key in page if TYPE_NAMES[type(db.values[key])] == kind]
    return [cursor, list(page)]


@COMMANDS.read("DBSIZE", 1)
def dbsize(db: Keyspace, args: list[bytes]) -> Reply:
    """DBSIZE."""
    del args
    return len(db.values)


def _flush(db: Keyspace, args: list[bytes]) -> Reply:
    if args and [word.upper() for word in args] not in ([b"SYNC"], [b"ASYNC"]):
        raise SYNTAX
    db.clear()
    return OK


COMMANDS.shrink("FLUSHALL", -1)(_flush)
COMMANDS.shrink("FLUSHDB", -1)(_flush)
