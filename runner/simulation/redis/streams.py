"""Commands on streams, as far as a log of numbers needs them: no groups, no waiting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.simulation.redis.arguments import SYNTAX, integer
from runner.simulation.redis.command import Commands, wrong_arity
from runner.simulation.redis.reply import NIL_ARRAY, Reply, ReplyError
from runner.simulation.redis.stream import EntryId, Stream

if TYPE_CHECKING:
    from runner.simulation.redis.keyspace import Keyspace

COMMANDS: Final = Commands()

INVALID_ID = ReplyError("ERR Invalid stream ID specified as stream command argument")
TOO_SMALL = ReplyError(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
)
_ID = re.compile(rb"[ \t\n\v\f\r]*\+?([0-9]{1,20})(?:-([0-9]{1,20}))?")
_SEQ_MAX: Final = 2**64 - 1
_FIRST, _LAST = EntryId(0, 0), EntryId(_SEQ_MAX, _SEQ_MAX)


def _entry_id(text: bytes, *, seq: int) -> EntryId:
    found = _ID.fullmatch(text)
    if not found:
        raise INVALID_ID
    entry_id = EntryId(int(found[1]), seq if found[2] is None else int(found[2]))
    if max(entry_id) > _SEQ_MAX:
        raise INVALID_ID
    return entry_id


def _trim_option(args: list[bytes], at: int) -> tuple[int, bool, int]:
    """Return how many entries to keep, whether about that many, and where the option ends."""
    if at >= len(args):
        raise SYNTAX
    approximate = False
    if at < len(args) - 1 and args[at] in {b"~", b"="}:
        approximate = args[at] == b"~"
        at += 1
    keep = integer(args[at])
    if keep < 0:
        raise ReplyError("ERR The MAXLEN argument must be >= 0.")
    return keep, approximate, at + 1


class _AddOptions(NamedTuple):
    """What stands before an entry's id in XADD, and where that id stands."""

    at: int
    create: bool
    trim: tuple[int, bool] | None


def _add_options(args: list[bytes]) -> _AddOptions:
    at, create, trim = 1, True, None
    while at < len(args):
        word = args[at].upper()
        follows = at < len(args) - 1
        if word == b"NOMKSTREAM":
            create, at = False, at + 1
        elif word == b"MAXLEN" and follows:
            if trim is not None:
                raise ReplyError(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
                )
            keep, approximate, at = _trim_option(args, at + 1)
            trim = (keep, approximate)
        elif word in {b"MINID", b"LIMIT"} and follows:
            raise ReplyError(b"ERR the simulated Redis does not know XADD with %b" % word)
        else:
            break
    return _AddOptions(at, create, trim)


@COMMANDS.grow("XADD", -5)
def xadd(db: Keyspace, args: list[bytes]) -> Reply:
    """XADD key [NOMKSTREAM] [MAXLEN [= | ~] count] * | id field value..."""
    at, create, trim = _add_options(args)
    if at >= len(args):
        raise _wrong_pairs(db)
    given = None if args[at] == b"*" else _entry_id(args[at], seq=0)
    fields = args[at + 1 :]
    if not fields or len(fields) % 2:
        raise _wrong_pairs(db)
    if given == (0, 0):
        raise ReplyError("ERR The ID specified in XADD must be greater than 0-0")
    held = db.stream(args[0])
    if held is None:
        if not create:
            return None
        held = Stream()
    entry_id = given or _next_id(held, db.now_ms)
    if entry_id <= held.last:
        raise TOO_SMALL
    db.values[args[0]] = held
    held.add(entry_id, fields)
    if trim:
        held.trim(trim[0], approximate=trim[1])
    db.changed(args[0])
    return entry_id.text()


def _wrong_pairs(db: Keyspace) -> ReplyError:
    if db.modern:
        return wrong_arity(b"xadd")
    return ReplyError("ERR wrong number of arguments for XADD")


def _next_id(held: Stream, now_ms: int) -> EntryId:
    if now_ms > held.last.ms:
        return EntryId(now_ms, 0)
    return EntryId(held.last.ms, held.last.seq + 1)


@COMMANDS.shrink("XTRIM", -4)
def xtrim(db: Keyspace, args: list[bytes]) -> Reply:
    """XTRIM key MAXLEN [= | ~] count."""
    if args[1].upper() != b"MAXLEN":
        raise SYNTAX
    keep, approximate, end = _trim_option(args, 2)
    if end != len(args):
        raise SYNTAX
    held = db.stream(args[0])
    if held is None:
        return 0
    removed = held.trim(keep, approximate=approximate)
    if removed:
        db.changed(args[0])
    return removed


@COMMANDS.read("XLEN", 2)
def xlen(db: Keyspace, args: list[bytes]) -> Reply:
    """XLEN key."""
    held = db.stream(args[0])
    return 0 if held is None else len(held)


def _end(text: bytes, *, upper: bool) -> EntryId:
    """Return an end of a range, which belongs to it."""
    if text in {b"-", b"+"}:
        return _FIRST if text == b"-" else _LAST
    exclusive = text.startswith(b"(")
    found = _entry_id(text.removeprefix(b"("), seq=_SEQ_MAX if upper else 0)
    if not exclusive:
        return found
    if upper:
        if found == _FIRST:
            raise ReplyError("ERR invalid end ID for the interval")
        ms, seq = found
        return EntryId(ms, seq - 1) if seq else EntryId(ms - 1, _SEQ_MAX)
    if found == _LAST:
        raise ReplyError("ERR invalid start ID for the interval")
    ms, seq = found
    return EntryId(ms, seq + 1) if seq < _SEQ_MAX else EntryId(ms + 1, 0)


def _between(db: Keyspace, args: list[bytes], *, reverse: bool) -> Reply:
    first, last = (args[2], args[1]) if reverse else (args[1], args[2])
    start, end = _end(first, upper=False), _end(last, upper=True)
    count = -1
    if len(args) > 3:  # noqa: PLR2004 -- a key and two ends
        if len(args) != 5 or args[3].upper() != b"COUNT":  # noqa: PLR2004 -- and COUNT n
            raise SYNTAX
        count = max(0, integer(args[4]))
    held = db.stream(args[0])
    if held is None:
        return []
    if count == 0:
        return NIL_ARRAY
    found: list[Reply] = [
        [entry_id.text(), list(fields)]
        for entry_id, fields in held.entries.items()
        if start <= entry_id <= end
    ]
    if reverse:
        found.reverse()
    return found if count < 0 else found[:count]


@COMMANDS.read("XRANGE", -4)
def xrange_(db: Keyspace, args: list[bytes]) -> Reply:
    """XRANGE key start end [COUNT count]."""
    return _between(db, args, reverse=False)


@COMMANDS.read("XREVRANGE", -4)
def xrevrange(db: Keyspace, args: list[bytes]) -> Reply:
    """XREVRANGE key end start [COUNT count]."""
    return _between(db, args, reverse=True)
